"""Answers questions from the pages of Python's `help()`, and evaluates the answers with MLflow."""

import json
from pydoc_data.topics import topics
from typing import Any

import mlflow
from mlflow.entities import Document, Feedback
from mlflow.genai import scorer
from sklearn.feature_extraction.text import TfidfVectorizer

from flywheel_mlflow.pipelines import Workspace, main, read_jsonl, sample_record


def build(work: Workspace) -> None:
    """Answer each question, let a scorer judge the answers, and keep the questions as data."""
    synonyms = {word: said for task in work.tasks for word, said in task.payload["words"].items()}
    questions = list(read_jsonl(work.data / "questions.jsonl"))
    search = Search(synonyms)

    def answer(question: str) -> dict[str, str]:
        page = search.best(question)[0].id
        return {"page": page, "answer": topics[page][:200]}

    judged = [{"inputs": {"question": q["question"]}, "expectations": {"page": q["page"]}} for q in questions]
    mlflow.genai.evaluate(data=judged, predict_fn=answer, scorers=[right_page])

    card = {"source": "written for this example", "licence": "CC0-1.0"}
    work.write_records("questions", (record(number, q) for number, q in enumerate(questions)), card=card)


class Search:
    """TF-IDF over Python's help pages; what people call things is added to their questions."""

    def __init__(self, synonyms: dict[str, str]) -> None:
        self.names, self.synonyms = sorted(topics), synonyms
        self.vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english")
        self.index = self.vectors.fit_transform([topics[name] for name in self.names])

    @mlflow.trace(span_type="RETRIEVER")
    def best(self, question: str) -> list[Document]:
        """The three pages that fit best."""
        asked = " ".join([question, *(said for word, said in self.synonyms.items() if word in question)])
        fit = (self.vectors.transform([asked]) @ self.index.T).toarray()[0]
        return [Document(id=self.names[at], page_content=topics[self.names[at]][:200]) for at in fit.argsort()[:-4:-1]]


@scorer
def right_page(inputs: dict[str, Any], outputs: dict[str, str], expectations: dict[str, str]) -> Feedback:
    """Whether the answer is from the page that was expected."""
    told = f"{inputs['question']} ({outputs['page']}, not {expectations['page']})"
    return Feedback(value=outputs["page"] == expectations["page"], rationale=told)


def record(number: int, asked: dict[str, str]) -> dict[str, Any]:
    """A question as a record of the interface."""
    return sample_record(
        id=f"question-{number:02d}",
        source="written for this example",
        payload=asked,
        metadata={"license": "CC0-1.0"},
        quality_signals={"length": len(json.dumps(asked))},
        split="test",
        audit_trace=["written"],
    )


if __name__ == "__main__":
    main(__file__, build)
