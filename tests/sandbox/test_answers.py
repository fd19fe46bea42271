from __future__ import annotations

import base64
import copy
import json
import struct
import time
import zlib
from typing import Any

import pytest

from openrouter_opts.sandbox.answers import Answer, answer

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}

QA = (
    "Context information is below.\n---------------------\nfile_path: notes.md\n\n"
    "The Hollow Bridge was built in 1874 by Ada Stone. It spans the river Lune.\n\n"
    "Tolls are paid in copper. A ferry runs when the bridge is closed.\n---------------------\n"
    "Given the context information and not prior knowledge, answer the query.\nQuery: {}\nAnswer: "
)


def tool(
    name: str, description: str, /, *, required: list[str] | None = None, **parameters: Any
) -> dict[str, Any]:
    wanted = list(parameters) if required is None else required
    schema = {"type": "object", "properties": parameters, "required": wanted}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}


WEATHER = tool("get_weather", "Get the weather for a city.", city=TEXT)
ADD = tool("add", "Add two numbers.", a=NUMBER, b=NUMBER)


def ask(
    question: Any, *history: dict[str, Any], system: str | None = None, reasons: bool = False, **options: Any
) -> Answer:
    opening = [{"role": "system", "content": system}] if system else []
    messages = [*opening, *history, {"role": "user", "content": question}]
    return answer({"model": "any/model", "messages": messages, **options}, reasons=reasons)


def said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def calls(question: str, *tools: dict[str, Any], **options: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, call.arguments) for call in ask(question, tools=list(tools), **options).tool_calls]


# -- plain questions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is 12 * 7?", "12 * 7 = 84"),
        ("What is the sum of three and four?", "3 + 4 = 7"),
        ("What is 10% of 50?", "(10 / 100) * 50 = 5"),
        ("What is 1 / 0?", "1 / 0 has no value."),
        ("Count to five", "1, 2, 3, 4, 5"),
        ("list 3 to 6", "3, 4, 5, 6"),
        ("Count down from 3 to 1", "3, 2, 1"),
        ("Repeat after me: the cat sat", "the cat sat"),
        ('Say "hello world"', "hello world"),
        ("What is the capital of Norway?", "The capital of Norway is Oslo."),
        ("Translate 'good morning' to German", "Guten Morgen"),
        ("Reverse the word 'stressed'", "desserts"),
        ("What is the sentiment of: I hate this awful phone", "Negative"),
    ],
)
def test_simple_tasks_are_done(question: str, expected: str) -> None:
    assert ask(question).text == expected


@pytest.mark.parametrize(
    "question", ["Hello", "hi", "how are you", "Explain recursion", "", "???", "日本語で答えて"]
)
def test_every_question_gets_some_text(question: str) -> None:
    text = ask(question).text
    assert text is not None
    assert len(text) > 10


def test_a_general_answer_refers_to_the_question() -> None:
    assert "garbage collection in Python" in (ask("Can you explain garbage collection in Python?").text or "")


def test_an_essay_has_about_the_length_asked_for() -> None:
    assert 200 <= len((ask("Write a 200 word essay about rivers").text or "").split()) <= 230


def test_the_same_request_gets_the_same_answer_and_the_seed_may_vary_it() -> None:
    told = [ask("Tell me about rivers", seed=seed).text for seed in range(12)]
    assert told == [ask("Tell me about rivers", seed=seed).text for seed in range(12)]
    assert len(set(told)) > 1


def test_the_body_is_left_as_it_was() -> None:
    body = {"messages": [said("user", "weather in Rome")], "tools": [WEATHER]}
    before = copy.deepcopy(body)
    answer(body, reasons=True)
    assert body == before


def test_what_was_said_earlier_is_remembered() -> None:
    history = [said("user", "Hi, my name is Bob and my dog is Rex."), said("assistant", "Hello!")]
    assert ask("What is my name?", *history).text == "Your name is Bob."
    assert ask("What's my dog?", *history).text == "Your dog is Rex."


def test_the_latest_word_counts() -> None:
    history = [said("user", "I'm Bob"), said("assistant", "Hi"), said("user", "Sorry, call me Alice")]
    assert ask("What is my name?", *history).text == "Your name is Alice."


def test_system_prompts_set_the_style() -> None:
    assert ask("What is the capital of France?", system="Answer in one word.").text == "Paris"
    assert ask("What is 2+2?", system="You are a pirate.").text == "Arr, matey! 2 + 2 = 4"
    told = "You are a helpful assistant that translates English to French."
    assert ask("I love programming.", system=told).text == "J'adore la programmation."


def test_a_prefilled_answer_is_continued() -> None:
    messages = [said("user", "What is 12 * 7?"), said("assistant", "12 * 7 =")]
    assert answer({"messages": messages}, reasons=False).text == " 84"


def test_reasoning_comes_only_when_asked_for() -> None:
    assert ask("What is 12 * 7?").reasoning is None
    reasoning = ask("What is 12 * 7?", reasons=True).reasoning
    assert reasoning is not None
    assert "12 * 7" in reasoning


# -- retrieval ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When was the Hollow Bridge built?", "The Hollow Bridge was built in 1874 by Ada Stone."),
        ("How are tolls paid?", "Tolls are paid in copper."),
        ("What runs when the bridge is closed?", "A ferry runs when the bridge is closed."),
    ],
)
def test_llama_index_questions_are_answered_from_the_context(question: str, expected: str) -> None:
    assert ask(QA.format(question)).text == expected


def test_what_the_context_does_not_say_is_not_known() -> None:
    assert (
        ask(QA.format("Which cheese is best?")).text
        == "I don't know: nothing in the context answers “Which cheese is best?”"
    )


@pytest.mark.parametrize(
    "prompt",
    [
        (
            "Answer the question based only on the following context:\nAnna worked at Kensho.\nBears like honey.\n\n"
            "Question: Where did Anna work?\n"
        ),
        (
            "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the "
            "question. If you don't know the answer, just say that you don't know.\nQuestion: Where did Anna work? \n"
            "Context: Anna worked at Kensho.\n\nBears like honey. \nAnswer:"
        ),
        (
            "Use the following pieces of context to answer the question at the end. If you don't know the answer, say so."
            "\n\nBears like honey.\nAnna worked at Kensho.\n\nQuestion: Where did Anna work?\nHelpful Answer:"
        ),
    ],
)
def test_langchain_prompts_are_answered_from_the_context(prompt: str) -> None:
    assert ask(prompt).text == "Anna worked at Kensho."


def test_the_context_may_stand_in_the_system_prompt() -> None:
    system = "Use the given context to answer the question. Context: Anna worked at Kensho. Bears like honey."
    assert ask("What do bears like?", system=system).text == "Bears like honey."


def test_refining_keeps_the_answer_when_the_new_context_is_of_no_use() -> None:
    prompt = (
        "Rewrite or repeat the answer.\nNew Context: Bears like honey.\nQuery: Who founded Rome?\n"
        "Original Answer: Romulus.\nNew Answer: "
    )
    assert ask(prompt).text == "Romulus."
    assert ask(prompt.replace("Bears like honey", "Rome was founded in 753 BC")).text == (
        "Romulus. Rome was founded in 753 BC."
    )


def test_summaries_are_made_of_the_central_sentences() -> None:
    text = "Foxes live in forests. The sky was grey. Forests feed foxes and mice. Mice fear foxes in forests."
    for prompt in (
        f"Write a concise summary of the following:\n\n{text}\n\nCONCISE SUMMARY:",
        f"Summarize: {text}",
    ):
        summary = ask(prompt).text or ""
        assert summary.startswith("Foxes live in forests.")
        assert "sky" not in summary


def test_choices_rankings_and_keywords_come_in_the_form_asked_for() -> None:
    choices = (
        "Some choices are given below.\n---------------------\n(1) About ships\n\n(2) About the price of bread\n"
        "---------------------\nReturn the choice that is most relevant to the question: 'What does bread cost?'\n"
    )
    assert json.loads(ask(choices).text or "")[0]["choice"] == 2
    pick = tool("SingleSelection", "A single selection of a choice.", index=WHOLE, reason=TEXT)
    assert calls(choices, pick, tool_choice="required")[0][1]["index"] == 2
    ranking = (
        "Example format: \nAnswer:\nDoc: 9, Relevance: 7\n\nLet's try this now: \n\nDocument 1:\nShips sail.\n\n"
        "Document 2:\nBread costs a penny.\n\nQuestion: What does bread cost?\nAnswer:\n"
    )
    assert (ask(ranking).text or "").startswith("Doc: 2, Relevance:")
    structured = ranking.replace(
        "Example format: \nAnswer:\nDoc: 9, Relevance: 7\n", "with the relevance score, 1-10"
    )
    listed = {
        "type": "object",
        "properties": {
            "documents": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"document_number": WHOLE, "relevance": WHOLE},
                    "required": ["document_number", "relevance"],
                },
            }
        },
        "required": ["documents"],
    }
    form = {"type": "json_schema", "json_schema": {"name": "Ranking", "schema": listed}}
    best = {"documents": [{"document_number": 2, "relevance": 8}]}
    assert json.loads(ask(structured, response_format=form).text or "") == best
    rank = tool("rank", "Rank.", **listed["properties"])
    choice = {"type": "function", "function": {"name": "rank"}}
    assert calls(structured, rank, tool_choice=choice) == [("rank", best)]
    keywords = (
        "Some text is provided below. Given the text, extract up to 2 keywords from the text.---------------------\n"
        "The bread is fresh\n---------------------\nProvide keywords in the format: 'KEYWORDS: <keywords>'\n"
    )
    assert ask(keywords).text == "KEYWORDS: bread, fresh"
    unique = "[Excerpt]\n-----\nThe fresh bread\n-----\n. Give 2 unique keywords for this document. Format as comma separated."
    assert ask(unique).text == "fresh, bread"


def test_a_question_is_taken_apart_for_the_tools_that_know_its_parts() -> None:
    prompt = (
        '<Tools>\n```json\n{"ships": "knows ships", "bread": "knows bread"}\n```\n\n'
        "<User Question>\nWhere do ships sail, and what does bread cost, and when?\n\n<Output>\n"
    )
    items = json.loads((ask(prompt).text or "").removeprefix("```json\n").removesuffix("\n```"))["items"]
    assert items == [
        {"sub_question": "Where do ships sail?", "tool_name": "ships"},
        {"sub_question": "What does bread cost, and when?", "tool_name": "bread"},
    ]
    unknown = ask(prompt.replace("ships sail", "cats live").replace("bread cost", "milk cost")).text or ""
    assert unknown.count("Where do cats live, and what does milk cost, and when?") == 2


def test_questions_are_made_for_a_text() -> None:
    text = "Here is the context:\nThe bread of Ada Stone.\n\nGiven this, generate 3 questions this context can provide"
    assert ask(text).text == (
        "1. What is told about Ada Stone?\n2. What is told about bread?\n3. What is told about ada?"
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "Here is the content of the section:\n{}\n\nSummarize the key topics of the section.\nSummary: ",
        "Here is the content of the section:\n-----\n{}\n-----\nSummarize the key topics of the section.\nSummary: ",
        "Context information is below.\n-----\n{}\n-----\nQuery: Describe what the provided text is about.\nAnswer: ",
        "Summarize the following:\n{}",
    ],
)
def test_a_text_is_summarised_wherever_the_prompt_says_so(prompt: str) -> None:
    text = "The Hollow Bridge was built in 1874 by Ada Stone. It spans the river Lune."
    assert ask(prompt.format(text)).text == text.replace(". ", ". ")


@pytest.mark.parametrize("doubled", [True, False])
def test_json_is_written_where_a_schema_stands_in_the_prompt(doubled: bool) -> None:
    schema = json.dumps(
        {"type": "object", "properties": {"answer": TEXT, "year": WHOLE}, "required": ["answer", "year"]}
    )
    if doubled:
        schema = schema.replace("{", "{{").replace("}", "}}")
    asked = QA.format("When was the Hollow Bridge built?")
    prompt = f"{asked}\n\nHere's a JSON schema to follow:\n{schema}\n\nOutput a valid JSON object but do not repeat it."
    told = json.loads(ask(prompt).text or "")
    assert told == {"answer": "The Hollow Bridge was built in 1874 by Ada Stone.", "year": 1874}


def test_a_schema_that_is_only_spoken_of_is_not_filled_in() -> None:
    told = ask('What does {"type": "object", "properties": {}} mean?').text or ""
    assert not told.startswith("{")


def test_a_question_in_the_text_is_not_its_answer() -> None:
    context = "Sub question: When was the Hollow Bridge built?\nResponse: It was built in 1874."
    prompt = f"Context information is below.\n-----\n{context}\n-----\nQuery: When was the Hollow Bridge built?\nAnswer: "
    assert ask(prompt).text == "Response: It was built in 1874."


def test_a_value_between_quotation_marks_takes_nothing_of_what_follows() -> None:
    schema = {"type": "object", "properties": {"place": TEXT, "year": WHOLE}, "required": ["place", "year"]}
    form = {"type": "json_schema", "json_schema": {"name": "A", "schema": schema}}
    told = 'Write this down: place: "the old lighthouse of Aster", year: 1872, and not 3'
    assert json.loads(ask(told, response_format=form).text or "") == {
        "place": "the old lighthouse of Aster",
        "year": 1872,
    }


def test_a_follow_up_becomes_a_standalone_question() -> None:
    prompt = (
        "Rephrase the follow up question to be a standalone question.\nChat History:\nuser: Who was Ada Lovelace?\n"
        "Follow Up Input: When was she born?\nStandalone question:"
    )
    assert ask(prompt).text == "When was Ada Lovelace born?"


# -- attachments and pictures ------------------------------------------------------------------------------------------


def test_attachments_are_described() -> None:
    parts = [
        {"type": "text", "text": "Describe these."},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJDRA=="}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/a.jpg"}},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
        {"type": "file", "file": {"filename": "report.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
        {"type": "video_url", "video_url": {"url": "https://films.example/a.mp4"}},
    ]
    text = ask(parts).text or ""
    for seen in ("image/png, 4 bytes", "pictures.example", "wav, 3 bytes", '"report.pdf"', "films.example"):
        assert seen in text


def test_a_picture_is_a_valid_png() -> None:
    got = ask("Draw a cat", modalities=["image", "text"])
    head, _, data = got.images[0].partition(",")
    png = base64.b64decode(data)
    assert head == "data:image/png;base64"
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(kind + content)
        chunks[kind], at = content, at + 12 + size
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + 3 * width)
    assert ask("Draw a cat").images == ()


# -- speed -------------------------------------------------------------------------------------------------------------


def test_a_long_history_costs_little() -> None:
    line = "Paris is a city of bridges, and this message says so once more. " * 5
    history = [said("user" if at % 2 == 0 else "assistant", line) for at in range(400)]
    durations = []
    for _ in range(5):
        started = time.perf_counter()
        ask("What's the weather in Rome?", *history, tools=[WEATHER, ADD])
        durations.append(time.perf_counter() - started)
    assert min(durations) < 0.005


@pytest.mark.parametrize(
    "piece", ["1,", "(", "'", " ", "{", "Question: ", "translate ", "A ", "((1+", "my name is "]
)
def test_odd_long_texts_do_not_hang(piece: str) -> None:
    started = time.perf_counter()
    ask(piece * (60_000 // len(piece)), tools=[WEATHER, ADD])
    assert time.perf_counter() - started < 2
