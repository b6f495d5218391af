import NIOCore
import NIOPosix

/// Tells systemd how the service is (sd_notify(3)), where the process was started by it.
public enum ServiceManager {
  /// What is told.
  public enum State: String, Sendable {
    case ready = "READY=1"
    case stopping = "STOPPING=1"
  }

  /// - Parameter socket: the value of `NOTIFY_SOCKET`; a path, since nobody else than systemd's own names are used today.
  public static func notify(_ state: State, socket path: String) async {
    // Who does not listen is not told; the service is none the worse for it.
    guard path.hasPrefix("/"),
      let channel = try? await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connect(unixDomainSocketPath: path).get(),
      let remote = try? SocketAddress(unixDomainSocketPath: path)
    else { return }
    let message = AddressedEnvelope(remoteAddress: remote, data: ByteBuffer(string: state.rawValue))
    try? await channel.writeAndFlush(message)
    try? await channel.close()
  }
}
