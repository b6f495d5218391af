import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Keeps the listening socket alive when the system cannot give it a connection.
///
/// With all descriptors in use, or a peer that was gone before it was accepted, accepting fails; the library would end
/// the server for that. The error is for that moment only: after a pause, so that a full table does not keep a processor
/// busy, accepting goes on.
final class AcceptErrors: ChannelDuplexHandler {
  typealias InboundIn = Any
  typealias OutboundIn = Never

  private static let pause = TimeAmount.milliseconds(100)
  private static let passing: Set<CInt> = [ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM]

  private var isPaused = false
  private var readIsWanted = false

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard let error = error as? IOError, Self.passing.contains(error.errnoCode) else {
      context.fireErrorCaught(error)
      return
    }
    guard !isPaused, error.errnoCode != ECONNABORTED else { return }
    isPaused = true
    context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
      self.isPaused = false
      if self.readIsWanted {
        self.readIsWanted = false
        context.read()
      }
    }
  }

  func read(context: ChannelHandlerContext) {
    if isPaused {
      readIsWanted = true
    } else {
      context.read()
    }
  }
}

/// Closes a connection that is not taken in, as soon as it may be closed.
final class RefusedConnection: ChannelInboundHandler {
  typealias InboundIn = Any

  func channelActive(context: ChannelHandlerContext) { context.close(promise: nil) }
}

/// How many files the process may have open.
enum DescriptorLimit {
  static var current: Int {
    var limit = rlimit()
    // `unsafe`: the system writes the value during the call. glibc's names are of another type than its functions take.
    #if canImport(Glibc)
      let result = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    #else
      let result = unsafe getrlimit(RLIMIT_NOFILE, &limit)
    #endif
    return result == 0 ? Int(clamping: limit.rlim_cur) : 1_024
  }
}
