"""The receiver's HTTP: deliveries, health and figures."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import ClientDisconnect

from deployments.webhook.receiver import Receiver


def make_app(receiver: Receiver) -> FastAPI:
    """The application; the receiver's workers live as long as it does."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        receiver.start()
        yield
        receiver.stop()

    app = FastAPI(title="odoo-ops webhook receiver", openapi_url=None, lifespan=running)

    async def deliver(request: Request) -> JSONResponse:
        try:
            answer = await receiver.reception.take(request.path_params["source"], request.headers, request.stream())
        except ClientDisconnect:  # before its body was here: nobody reads an answer
            return JSONResponse({}, HTTPStatus.BAD_REQUEST)
        return JSONResponse(answer.body, answer.status, answer.headers)

    # Without FastAPI's reading of parameters, of which there are none: a fifth of the time that a delivery takes.
    app.add_route("/hooks/{source}", deliver, methods=["POST"])

    @app.get("/health")
    def health() -> JSONResponse:
        found = receiver.health()
        return JSONResponse(found.model_dump(), HTTPStatus.OK if found.ok else HTTPStatus.SERVICE_UNAVAILABLE)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(receiver.figures(), media_type=CONTENT_TYPE_LATEST)

    return app
