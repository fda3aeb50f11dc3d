import time

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


def ask(grid: Grid, nodes: list[int], kind: str, step: int) -> list[Message]:
    content = RecordDict({"config": ConfigRecord({"step": step})})
    open_ = set(grid.push_messages([Message(content, node, kind) for node in nodes]))
    replies = []
    while open_:
        for reply in grid.pull_messages(open_):
            open_.discard(reply.metadata.reply_to_message_id)
            replies.append(reply)
        time.sleep(0.05)
    return replies


@app.main()
def main(grid: Grid, context: Context) -> None:
    nodes = list(grid.get_node_ids())
    print("samples", [reply.content["answer"]["samples"] for reply in ask(grid, nodes, "query", 0)])
    ask(grid, nodes, "train.warmup", 0)
    for step in range(1, int(context.run_config["steps"]) + 1):
        replies = ask(grid, nodes, "train", step)
        print("step", step, [reply.has_error() for reply in replies])
    with open("steps.txt", "w") as file:
        file.write(f"{step}\n")
