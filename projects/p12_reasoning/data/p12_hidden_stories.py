"""Hidden stories of the evaluation, by kind: no public problem, no task and no training problem tells one of them."""

HIDDEN_STORIES = {
    "sum": (
        "A choir has {a} singers and an orchestra has {b} players. How many musicians are there in total?",
        "{a} visitors were counted in May and {b} in June. How many visitors were counted altogether?",
    ),
    "difference": (
        "A barrel holds {a} litres of oil. {b} litres are used. How many litres are left?",
        "A depot had {a} tyres. {b} tyres are taken away. How many tyres are left?",
    ),
    "two differences": (
        "A fisher caught {a} herrings, gave {b} away and sold {c}. How many herrings are left?",
        "A potter made {a} bowls, broke {b} and sold {c}. How many bowls are left?",
    ),
    "product": (
        "There are {a} boxes with {b} nails each. How many nails are there in total?",
        "There are {a} trays with {b} cups each. How many cups are there in total?",
    ),
    "product and more": (
        "A baker lays out {a} rows of {b} buns and then {c} more buns. How many buns are there altogether?",
        "A collector has {a} rows of {b} coins and then {c} more coins. How many coins are there altogether?",
    ),
    "product less": (
        "A robot makes {a} cakes a minute for {b} minutes; {c} cakes are spoiled. How many good cakes are left?",
        "A plant makes {a} bottles a minute for {b} minutes; {c} fail. How many good bottles are left?",
    ),
    "share": (
        "{a} stamps are shared equally among {b} friends. How many stamps does each friend get?",
        "{a} seedlings are shared equally among {b} gardens. How many seedlings does each garden get?",
    ),
    "pack": (
        "A mill packs {a} rolls into boxes of {b}. How many boxes are filled?",
        "A works packs {a} bulbs into boxes of {b}. How many boxes are filled?",
    ),
    "two shared": (
        "Two loads of {a} kg and {b} kg of coal are shared equally among {c} houses. How many kg does each get?",
        "Two sacks of {a} kg and {b} kg of beans are shared equally among {c} cooks. How many kg does each get?",
    ),
    "change": (
        "Tom has {a} coins and buys {b} apples at {c} coins each. How many coins are left?",
        "Ana has {a} points and buys {b} hats at {c} points each. How many points are left?",
    ),
    "instalments": (
        "A piano costs {a} euros: {b} at once and the rest in {c} equal parts. How many euros is each part?",
        "A camera costs {a} euros: {b} at once, the rest in {c} parts. How many euros is each part?",
    ),
    "discount": (
        "A watch costs {a} euros and is sold at a discount of {b} percent. How many euros does it cost now?",
        "A lamp of {a} euros is sold at a discount of {b} percent. How many euros does it cost now?",
    ),
    "growth": (
        "A club of {a} members grows by {b} percent. How many members are there now?",
        "A colony of {a} bees grows by {b} percent. How many bees live there now?",
    ),
    "share in percent": (
        "Of {a} seeds, {b} percent rot. How many seeds rot?",
        "Of {a} pupils, {b} percent walk. How many pupils walk?",
    ),
    "distance": (
        "A ship travels at {a} km per hour for {b} hours. How many kilometres does it travel?",
        "A plane travels at {a} km per hour for {b} hours. How many kilometres does it travel?",
    ),
    "proportion": (
        "A cake for {a} people needs {b} grams of sugar. How many grams are needed for {c} people?",
        "{a} looms make {b} metres in an hour. How many metres do {c} such looms make in an hour?",
    ),
    "speed": (
        "A skater covers {a} kilometres in {b} hours. What is the speed in km per hour?",
        "A rower covers {a} kilometres in {b} hours. What is the speed in km per hour?",
    ),
    "area": (
        "A rectangular pond is {a} metres long and {b} metres wide. What is its area in square metres?",
        "A rectangular hall is {a} metres long and {b} metres wide. What is its area in square metres?",
    ),
    "perimeter": (
        "A rectangular plot is {a} metres long and {b} metres wide. How many metres is its perimeter?",
        "A rectangular roof is {a} metres long and {b} metres wide. How many metres is its perimeter?",
    ),
    "triangle": (
        "A flag is a triangle with a base of {a} cm and a height of {b} cm. What is its area?",
        "What is the area of a triangle with a base of {a} cm and a height of {b} cm?",
    ),
    "mean": (
        "Three fields gave {a}, {b} and {c} sacks. What is the average number of sacks?",
        "On three days {a}, {b} and {c} boats passed a lock. What is the average number of boats a day?",
    ),
    "remainder": (
        "{a} buttons are put into bags of {b}. How many buttons remain over?",
        "Give the remainder when {a} is divided by {b}.",
    ),
    "sequence": (
        "A list starts with {a} and grows by {b} with every term. What is its term number {c}?",
        "The sequence that starts with {a} grows by {b} with every term. What is term number {c}?",
    ),
    "sum of first": (
        "The first {a} positive whole numbers are added. What is the sum?",
        "What is the sum of the first {a} natural numbers?",
    ),
    "doubling": (
        "A swarm of {a} flies doubles every day. How many flies are there after {b} days?",
        "A film of {a} algae doubles every hour. How many algae are there after {b} hours?",
    ),
    "cube": (
        "A die is a cube with edges of {a} mm. What is its volume in cubic millimetres?",
        "What is the volume of a cube with edges of {a} cm?",
    ),
}
