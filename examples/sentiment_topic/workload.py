"""Sentiment and topic of sentences, from tab-separated text files.

A folder has one file a topic, `<topic>.txt`; each line is a sentence, a tab, and 0 (negative) or 1 (positive). The three files of
the UCI "Sentiment Labelled Sentences" (Kotzias et al., 2015: Amazon, IMDb and Yelp reviews) have this form.

Run it, from this folder, with the files' folder in `study.json`:

    STEELYARD_WORKLOADS=sentiment-topic=workload:SentimentTopic steelyard serve --workers 1
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import keras
import numpy as np
from pydantic import BaseModel, Field

UNKNOWN, FIRST_WORD = 1, 2  # 0 is padding


class Options(BaseModel):
    """What a study may set."""

    folder: str = Field(description="Folder of the text files, one a topic.")
    words: int = Field(default=2000, ge=10, description="Most frequent words that are known; all others are one unknown word.")
    length: int = Field(default=32, ge=4, description="Words kept of a sentence.")


class SentimentTopic:
    """`sentiment` [batch, 1] (sigmoid, 1 is positive) and `topic` [batch, topics] (softmax) from word ids [batch, length]."""

    Options = Options

    def __init__(self, options: Options) -> None:
        self.options = options
        self.files = sorted(Path(options.folder).expanduser().glob("*.txt"))
        if len(self.files) < 2:
            raise FileNotFoundError(f"expected two or more files <topic>.txt in {options.folder}, found {len(self.files)}")

    def build_model(self) -> keras.Model:
        words = keras.Input((self.options.length,), dtype="int32", name="words")
        features = keras.layers.Embedding(self.options.words + FIRST_WORD, 32, mask_zero=True)(words)
        features = keras.layers.GlobalAveragePooling1D()(features)
        features = keras.layers.Dense(32, activation="relu")(features)
        sentiment = keras.layers.Dense(1, activation="sigmoid")(features)
        topic = keras.layers.Dense(len(self.files), activation="softmax")(features)
        return keras.Model(words, {"sentiment": sentiment, "topic": topic})

    def load_data(self) -> dict[str, tuple]:
        rows = [(sentence, label, topic) for topic, file in enumerate(self.files) for sentence, label in read(file)]
        order = np.random.default_rng(0).permutation(len(rows))
        rows = [rows[place] for place in order]
        train, validation = rows[: len(rows) * 7 // 10], rows[len(rows) * 7 // 10 : len(rows) * 17 // 20]
        test = rows[len(rows) * 17 // 20 :]
        known = vocabulary([sentence for sentence, _, _ in train], self.options.words)
        return {name: self.arrays(part, known) for name, part in (("train", train), ("validation", validation), ("test", test))}

    def arrays(self, rows: list[tuple[str, int, int]], known: dict[str, int]) -> tuple:
        words = np.zeros((len(rows), self.options.length), "int32")
        for place, (sentence, _, _) in enumerate(rows):
            ids = [known.get(word, UNKNOWN) for word in split(sentence)][: self.options.length] or [UNKNOWN]
            words[place, : len(ids)] = ids
        sentiment = np.array([[label] for _, label, _ in rows], "float32")
        return words, {"sentiment": sentiment, "topic": np.array([topic for _, _, topic in rows], "int32")}


def read(file: Path) -> list[tuple[str, int]]:
    """Return a file's sentences and labels. Raises ValueError naming the file and line that is not of the form."""
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        sentence, tab, label = line.rpartition("\t")
        if not line.strip():
            continue
        if not tab or label.strip() not in ("0", "1"):
            raise ValueError(f"{file.name}:{number}: expected a sentence, a tab and 0 or 1, got {line[:60]!r}")
        rows.append((sentence, int(label)))
    return rows


def split(sentence: str) -> list[str]:
    return re.findall(r"[a-z']+|[!?]", sentence.lower())


def vocabulary(sentences: list[str], size: int) -> dict[str, int]:
    """Return an id for each of the most frequent words; ties go by the alphabet."""
    counts = Counter(word for sentence in sentences for word in split(sentence))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:size]
    return {word: place for place, word in enumerate(frequent, start=FIRST_WORD)}
