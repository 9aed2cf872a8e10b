"""Names and numbers of types in the protocols."""

# TensorFlow's DataType (tensorflow/core/framework/types.proto).
NUMBERS = {"float32": 1, "int32": 3, "uint8": 4, "bytes": 7}
NAMES = {
    1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8", 5: "DT_INT16", 6: "DT_INT8",
    7: "DT_STRING", 9: "DT_INT64", 10: "DT_BOOL", 14: "DT_BFLOAT16", 17: "DT_UINT16", 19: "DT_HALF",
    22: "DT_UINT32", 23: "DT_UINT64",
}  # fmt: skip

# Datatypes of the Open Inference Protocol.
DATATYPES = {"float32": "FP32", "int32": "INT32", "uint8": "UINT8", "bytes": "BYTES"}
