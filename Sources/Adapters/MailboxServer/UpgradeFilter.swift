import NIOCore
import NIOHTTP1

/// Lets only a well-formed request for a stream reach the upgrade handler as an upgrade.
///
/// NIO's handler swallows the head of an upgrade that it refuses, so nobody could answer it. A server may ignore an
/// upgrade that it does not want (RFC 9110 §7.8): any other request goes on as the ordinary one that it also is, and
/// ends its connection, since the parser does not look beyond an upgrade. So does one for a stream that is refused now.
final class UpgradeFilter: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart

  /// The WebSocket subprotocol that a stream must name.
  static let streamSubprotocol = "sotto.1"

  private let pass: ConnectionPass

  init(pass: ConnectionPass) {
    self.pass = pass
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .head(var head) = Self.unwrapInboundIn(data), head.headers.contains(name: "upgrade"),
      !(Self.asksForStream(head) && pass.mayOpenStream())
    else {
      context.fireChannelRead(data)
      return
    }
    head.headers.remove(name: "upgrade")
    head.headers.replaceOrAdd(name: "connection", value: "close")
    context.fireChannelRead(Self.wrapInboundOut(.head(head)))
  }

  /// RFC 6455 §4.2.1, and our subprotocol.
  private static func asksForStream(_ head: HTTPRequestHead) -> Bool {
    let headers = head.headers
    return head.method == .GET && head.uri == "/v1/stream" && head.version == .http1_1
      && headers[canonicalForm: "upgrade"].map { $0.lowercased() } == ["websocket"]
      && headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
      && headers["sec-websocket-version"] == ["13"]
      && headers["sec-websocket-key"].count == 1
      && headers[canonicalForm: "sec-websocket-protocol"].contains { $0 == streamSubprotocol }
      && !headers.contains(name: "content-length") && !headers.contains(name: "transfer-encoding")
  }
}
