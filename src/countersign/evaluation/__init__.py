"""How good a retrieval is: question sets, judged runs, honest intervals, and what they recommend."""
