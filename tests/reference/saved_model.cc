// Runs the signature "serving_default" of a SavedModel through TensorFlow's C API, without Python.
//   saved_model FOLDER INPUT OUTPUT INDEX HEIGHT WIDTH CHANNELS < pixels > labels
// INPUT and OUTPUT are names of operations, INDEX that of the output of OUTPUT.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tensorflow/c/c_api.h"

static void require(bool fine, const char* words) {
  if (!fine) {
    std::fprintf(stderr, "%s\n", words);
    std::exit(1);
  }
}

int main(int argc, char** argv) {
  require(argc == 8, "needs FOLDER INPUT OUTPUT INDEX HEIGHT WIDTH CHANNELS");
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session =
      TF_LoadSessionFromSavedModel(options, nullptr, argv[1], tags, 1, graph, nullptr, status);
  require(TF_GetCode(status) == TF_OK, TF_Message(status));

  const int64_t shape[] = {1, std::atoll(argv[5]), std::atoll(argv[6]), std::atoll(argv[7])};
  const size_t size = shape[1] * shape[2] * shape[3];
  TF_Tensor* image = TF_AllocateTensor(TF_UINT8, shape, 4, size);
  require(std::fread(TF_TensorData(image), 1, size, stdin) == size, "too few pixels");

  TF_Output input = {TF_GraphOperationByName(graph, argv[2]), 0};
  TF_Output output = {TF_GraphOperationByName(graph, argv[3]), std::atoi(argv[4])};
  require(input.oper && output.oper, "no such operation");
  TF_Tensor* labels = nullptr;
  TF_SessionRun(session, nullptr, &input, &image, 1, &output, &labels, 1, nullptr, 0, nullptr,
                status);
  require(TF_GetCode(status) == TF_OK, TF_Message(status));
  require(TF_TensorType(labels) == TF_UINT8, "labels are not uint8");
  std::fwrite(TF_TensorData(labels), 1, TF_TensorByteSize(labels), stdout);
  TF_CloseSession(session, status);
  return 0;
}
