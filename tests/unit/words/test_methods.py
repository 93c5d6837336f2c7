"""What the report says of words and their text."""

from helpers.made_plans import made_language, made_model, made_plan
from lateralization.words.methods import describe_mapping


def test_the_report_says_where_the_text_was_joined_from_the_words() -> None:
    plan = made_plan(
        models=[made_model("gpt2", mapping="reference"), made_model("own")],
        languages=[
            made_language(texts={"source": ["/a"]}),
            made_language(language="nl", name="Dutch", texts={"joined": True}),
            made_language(language="fr", name="French", texts=None),
        ],
    )
    assert describe_mapping(plan) == (
        "words were found in the text, which in Dutch was joined from the words themselves, by a "
        "global character alignment of annotation and text and by the matching rule of the "
        "published study [study]"
    )
    plan = made_plan(models=[made_model("own")], languages=[made_language()])
    assert describe_mapping(plan).startswith("words were found in the text by a global")
