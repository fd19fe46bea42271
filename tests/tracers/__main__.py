"""What MLflow stores of calls: `make tracers`. It is the real one, with a database in a temporary directory and the sandbox in the place of
OpenRouter. It prints what is stored, and fails if a cost isn't the one that was billed, or stands on more than one span of a trace.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"

import mlflow

from langchain_openrouter_opts import ChatOpenRouter
from llamaindex_openrouter_opts import OpenRouter
from openrouter_opts.sandbox import Sandbox
from tests.tracers.ways import UNSEEN, WAYS


def stored() -> tuple[list[float], float | None]:
    """Return the cost on each span of the last trace, and that of the trace."""
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id(), flush=True)
    costs = [span.attributes.get("mlflow.llm.cost") for span in trace.data.spans]
    return [cost["total_cost"] for cost in costs if cost], (trace.info.cost or {}).get("total_cost")


def main() -> int:
    """Make every call, and compare what is stored with what was billed."""
    wrong = 0
    with TemporaryDirectory() as folder, Sandbox() as sandbox:
        mlflow.set_tracking_uri(f"sqlite:///{Path(folder) / 'mlflow.db'}")
        mlflow.langchain.autolog()
        mlflow.llama_index.autolog()
        where = {"model": "openai/gpt-5-mini", "api_key": sandbox.api_key}
        llm = ChatOpenRouter(base_url=sandbox.base_url, **where)
        print(f"{'MLflow ' + mlflow.__version__:28} {'billed':>10} {'on spans':>12} {'of the trace':>13}")
        index_llm = OpenRouter(api_base=sandbox.base_url, **where)
        for name, call in WAYS.items():
            before = sandbox.credits_used
            call(llm, index_llm)
            billed = float(sandbox.credits_used - before)
            on_spans, of_trace = stored()
            print(f"{name:28} {billed:>10} {', '.join(map(str, on_spans)) or '-':>12} {of_trace or '-':>13}")
            expected = ([], None) if name in UNSEEN else ([billed], billed)
            wrong += (on_spans, of_trace) != expected
    return wrong


if __name__ == "__main__":
    sys.exit(main())
