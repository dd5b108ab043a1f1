"""A client of gRPC that has no .proto files: it learns the API from the server's reflection.

TTN_GRPC=127.0.0.1:1884 TTN_API_KEY=… python reflection.py; ends with 0 if everything was as expected.
"""

import os
import threading

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

PATIENCE = 60
V3 = "ttn.lorawan.v3."


class Api:
    """Calls methods by the names of their services."""

    def __init__(self, address, key):
        self.channel = grpc.insecure_channel(address)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)
        self.metadata = [("authorization", f"Bearer {key}")]

    def _call(self, path, kind, fields):
        service, name = path.rsplit(".", 1)
        method = self.pool.FindServiceByName(service).methods_by_name[name]
        request = message_factory.GetMessageClass(method.input_type)(**fields)
        answer = message_factory.GetMessageClass(method.output_type)
        call = getattr(self.channel, kind)(
            f"/{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return call, request

    def unary(self, path, **fields):
        """Gives the answer and its metadata."""
        call, request = self._call(path, "unary_unary", fields)
        answer, context = call.with_call(request, metadata=self.metadata, timeout=PATIENCE)
        return answer, dict(context.initial_metadata())

    def stream(self, path, **fields):
        call, request = self._call(path, "unary_stream", fields)
        return call(request, metadata=self.metadata, timeout=PATIENCE)


def application(name):
    return {"application_id": name}


def create(api):
    for name in ["grpc-a", "grpc-b", "grpc-c"]:
        made, _ = api.unary(
            f"{V3}ApplicationRegistry.Create",
            application={"ids": application(name), "name": name.upper(), "attributes": {"colour": name}},
            collaborator={"user_ids": {"user_id": "admin"}},
        )
        assert made.ids.application_id == name and made.attributes["colour"] == name, made
    try:
        api.unary(
            f"{V3}ApplicationRegistry.Create",
            application={"ids": application("grpc-a")},
            collaborator={"user_ids": {"user_id": "admin"}},
        )
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.ALREADY_EXISTS, error
    else:
        raise AssertionError("it was there already")


def pages(api):
    seen = []
    for page in [1, 2]:
        answer, metadata = api.unary(
            f"{V3}ApplicationRegistry.List",
            field_mask={"paths": ["name"]},
            order="application_id",
            limit=2,
            page=page,
        )
        assert metadata["x-total-count"] == "3", metadata
        seen.append([it.name for it in answer.applications])
    assert seen == [["GRPC-A", "GRPC-B"], ["GRPC-C"]], seen


def whole_device(api):
    """The call that no other server has."""
    ids = {
        "application_ids": application("grpc-a"),
        "device_id": "whole",
        "dev_eui": bytes.fromhex("70B3D57ED0002001"),
        "join_eui": bytes.fromhex("70B3D57ED0000000"),
    }
    device = {
        "ids": ids,
        "name": "Whole",
        "frequency_plan_id": "EU_863_870_TTN",
        "lorawan_version": "MAC_V1_0_3",
        "lorawan_phy_version": "PHY_V1_0_3_REV_A",
        "supports_join": True,
        "root_keys": {"app_key": {"key": bytes(range(16))}},
        "formatters": {"up_formatter": "FORMATTER_CAYENNELPP"},
    }
    made, _ = api.unary("ttn.v1.Devices.Create", end_device=device)
    assert made.name == "Whole" and made.supports_join, made
    paths = ["name", "root_keys", "formatters", "frequency_plan_id"]
    read, _ = api.unary("ttn.v1.Devices.Get", end_device_ids=ids, field_mask={"paths": paths})
    assert read.root_keys.app_key.key == bytes(range(16)), read
    assert (read.name, read.frequency_plan_id) == ("Whole", "EU_863_870_TTN"), read
    api.unary("ttn.v1.Devices.Delete", **ids)
    for service in ["EndDeviceRegistry", "NsEndDeviceRegistry", "AsEndDeviceRegistry"]:
        try:
            api.unary(f"{V3}{service}.Get", end_device_ids=ids)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        else:
            raise AssertionError(f"{service} still has it")


def events(api):
    entity = {"application_ids": application("grpc-b")}
    stream = api.stream(f"{V3}Events.Stream", identifiers=[entity])
    first = next(stream)
    assert first.name == "events.stream.start", first
    api.unary(
        f"{V3}ApplicationRegistry.Update",
        application={"ids": application("grpc-b"), "description": "changed"},
        field_mask={"paths": ["description"]},
    )
    event = next(it for it in stream if it.name == "application.update")
    assert event.identifiers[0].application_ids.application_id == "grpc-b", event
    stream.cancel()


def main():
    # Whatever hangs ends the process.
    guard = threading.Timer(PATIENCE, os._exit, [2])
    guard.daemon = True
    guard.start()
    api = Api(os.environ["TTN_GRPC"], os.environ["TTN_API_KEY"])
    services = set(api.database.get_services())
    assert {f"{V3}EndDeviceRegistry", f"{V3}Events", "ttn.v1.Devices"} <= services, services
    for step in [create, pages, whole_device, events]:
        step(api)
        print(step.__name__, "ok")
    guard.cancel()


if __name__ == "__main__":
    main()
