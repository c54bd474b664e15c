// SPDX-License-Identifier: Apache-2.0
// threefs-csi-call: one CSI call from the command line, for the end-to-end tests and the demo. Any
// method of csi.v1 by its name; the request is JSON (proto field names or camelCase) from the
// argument, or from standard input when it is "-" (secrets then stay out of argv). Prints the
// answer as JSON. Exit 0; 1 with "CODE: sentence" on stderr; 2 for wrong usage.
//   threefs-csi-call --endpoint unix:///run/csi.sock NodeStageVolume '{"volume_id": "stage/pvc-1",
//   …}'
#include <fmt/core.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "proto/csi/v1/csi.pb.h"

namespace {

namespace pb = google::protobuf;

constexpr std::array<std::string_view, 17> kCodes = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

const pb::MethodDescriptor* FindMethod(const std::string& name) {
  const pb::FileDescriptor* file = csi::v1::ProbeRequest::descriptor()->file();
  for (int s = 0; s < file->service_count(); ++s) {
    if (const auto* method = file->service(s)->FindMethodByName(name)) return method;
  }
  return nullptr;
}

grpc::ByteBuffer ToBuffer(const pb::Message& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return {&slice, 1};
}

bool FromBuffer(const grpc::ByteBuffer& buffer, pb::Message* message) {
  grpc::Slice slice;
  return buffer.DumpToSingleSlice(&slice).ok() &&
         message->ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
}

grpc::Status Call(const std::string& endpoint, const pb::MethodDescriptor* method,
                  const pb::Message& request, int timeout_s, pb::Message* answer) {
  auto channel = grpc::CreateChannel(endpoint, grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(timeout_s));
  context.set_wait_for_ready(false);
  grpc::CompletionQueue queue;
  const std::string path = fmt::format("/{}/{}", method->service()->full_name(), method->name());
  auto call = stub.PrepareUnaryCall(&context, path, ToBuffer(request), &queue);
  grpc::ByteBuffer reply;
  grpc::Status status;
  call->StartCall();
  call->Finish(&reply, &status, &queue);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (status.ok() && !FromBuffer(reply, answer)) {
    return {grpc::StatusCode::INTERNAL, "the answer is not the message it should be"};
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  std::string endpoint;
  std::string name;
  std::string json = "{}";
  int timeout_s = 120;
  CLI::App app("threefs-csi-call: one CSI call from the command line");
  app.add_option("--endpoint", endpoint, "unix:///path/to/csi.sock")->required();
  app.add_option("--timeout", timeout_s, "seconds")->capture_default_str();
  app.add_option("method", name, "for instance NodeStageVolume")->required();
  app.add_option("request", json, "JSON; \"-\" reads standard input");
  CLI11_PARSE(app, argc, argv);
  const pb::MethodDescriptor* method = FindMethod(name);
  if (method == nullptr) {
    fmt::print(stderr, "unknown method '{}': name one of csi.v1, such as NodeStageVolume\n", name);
    return 2;
  }
  if (json == "-") json.assign(std::istreambuf_iterator<char>(std::cin), {});
  pb::DynamicMessageFactory factory;
  const std::unique_ptr<pb::Message> request(factory.GetPrototype(method->input_type())->New());
  const std::unique_ptr<pb::Message> answer(factory.GetPrototype(method->output_type())->New());
  if (const auto parsed = pb::util::JsonStringToMessage(json, request.get()); !parsed.ok()) {
    fmt::print(stderr, "the request is not a {}: {}\n", method->input_type()->name(),
               parsed.ToString());
    return 2;
  }
  const grpc::Status status = Call(endpoint, method, *request, timeout_s, answer.get());
  if (!status.ok()) {
    const auto code = static_cast<size_t>(status.error_code());
    fmt::print(stderr, "{}: {}\n", code < kCodes.size() ? kCodes.at(code) : "UNKNOWN",
               status.error_message());
    return 1;
  }
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = true;
  std::string text;
  if (!pb::util::MessageToJsonString(*answer, &text, options).ok()) return 1;
  fmt::print("{}", text);
  return 0;
}
