"""A server over TensorFlow Serving's gRPC, for `Client`."""

import json

import grpc

from keras_seg.serve import messages
from keras_seg.serve.tensor_proto import to_array, to_proto

_SERVICE = "/tensorflow.serving.PredictionService"
_REFUSED = ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED")
_MAX_SIZE = 1 << 31  # elements of an answer


class GrpcRemote:
    """Requests to a server; see `RestRemote`.

    Args:
        address: "host:port".
        model: the model's name.
        version: number of its version, or None for the present one.
        timeout: seconds for a request, with all repetitions.
        retries: repetitions when the server cannot be reached or is busy.
        secure: whether to use TLS.
    """

    sends_pixels = True

    def __init__(self, address, model, version, timeout, retries, secure):
        self._address, self._timeout, self._model = address, timeout, model
        self._version = version
        policy = {
            "maxAttempts": min(retries + 1, 5),  # gRPC's own limit
            "initialBackoff": "0.2s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        config = {"methodConfig": [{"name": [{}], "retryPolicy": policy}]} if retries else {}
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.service_config", json.dumps(config)),
        ]
        if secure:
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(), options)
        else:
            self._channel = grpc.insecure_channel(address, options)

    def metadata(self):
        """The version and the signatures of the model; see `RestRemote.metadata`."""
        try:
            answer = self._metadata(["signature_def", "keras_seg"])
        except ValueError:  # TensorFlow Serving has the first only
            answer = self._metadata(["signature_def"])
        packed = messages.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
        shown = {
            name: {part: _shapes(getattr(definition, part)) for part in ("inputs", "outputs")}
            for name, definition in packed.signature_def.items()
            if definition.inputs
        }
        found = {"version": answer.model_spec.version.value, "signatures": shown}
        if "keras_seg" in answer.metadata:
            text = messages.StringValue.FromString(answer.metadata["keras_seg"].value).value
            found["keras_seg"] = json.loads(text)
        return found

    def _metadata(self, fields):
        request = messages.GetModelMetadataRequest(model_spec=self._spec(), metadata_field=fields)
        return self._ask("GetModelMetadata", request, messages.GetModelMetadataResponse)

    def predict(self, signature, value, described):
        """The outputs of a signature; see `RestRemote.predict`."""
        (name,) = described["inputs"]
        request = messages.PredictRequest(model_spec=self._spec())
        request.model_spec.signature_name = signature
        request.inputs[name].CopyFrom(to_proto(value))
        answer = self._ask("Predict", request, messages.PredictResponse)
        outputs = {key: to_array(key, one, _MAX_SIZE) for key, one in answer.outputs.items()}
        return outputs, answer.model_spec.version.value

    def _spec(self):
        spec = messages.ModelSpec(name=self._model)
        if self._version is not None:
            spec.version.value = self._version
        return spec

    def _ask(self, method, request, response):
        remote = self._channel.unary_unary(
            f"{_SERVICE}/{method}",
            request_serializer=messages.serialized,
            response_deserializer=response.FromString,
        )
        try:
            return remote(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise self._failed(error) from error

    def _failed(self, error):
        """The error of Python for one of gRPC."""
        status, words = error.code().name, f"{error.code().name}, {error.details()}"
        received = f"Received from {self._address}, model {self._model!r}: {words}"
        if status in _REFUSED:
            return ValueError(f"`Client` needs a request that the server takes. {received}")
        if status == "DEADLINE_EXCEEDED":
            return TimeoutError(f"`Client` needs an answer in {self._timeout} s. {received}")
        return ConnectionError(
            f"`Client` needs a server that can be reached. {received}. Check the address, and that "
            "the server is running."
        )

    def close(self):
        """Close the connections."""
        self._channel.close()


def _shapes(tensors):
    return {
        name: tuple(dim.size for dim in tensor.tensor_shape.dim) for name, tensor in tensors.items()
    }
