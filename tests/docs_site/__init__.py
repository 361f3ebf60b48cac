"""Makes the reference pages of the documentation from the product itself, while the site is built."""
