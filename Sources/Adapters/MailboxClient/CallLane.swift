import NIOCore
import NIOHTTP1

/// Carries calls one after the other over one connection, which is kept alive and opened anew when it is closed.
actor CallLane {
  private let dialer: Dialer
  private var connection: HTTPConnection?
  private var lastUse = ContinuousClock.now
  private var isBusy = false
  private var waiters = CircularBuffer<CheckedContinuation<Void, Never>>()
  private var isShutDown = false

  init(dialer: Dialer) {
    self.dialer = dialer
  }

  /// Makes one call; calls made meanwhile wait for their turn.
  func call(_ request: [UInt8]) async throws(ClientError) -> HTTPConnection.Reply {
    await takeTurn()
    defer { endTurn() }
    var headers = HTTPHeaders([("host", dialer.endpoint.authority)])
    headers.add(name: "content-type", value: "application/octet-stream")
    headers.add(name: "content-length", value: String(request.count))
    let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/v1/call", headers: headers)
    if let connection = reusableConnection() {
      do {
        return try await exchange(head, request, over: connection)
      } catch .unreachable {
        // The server had closed it while it was idle: nothing of the request has been processed.
      }
    }
    guard !isShutDown else { throw .shutDown }
    // Cancelled while it waited.
    guard !Task.isCancelled else { throw .unreachable }
    let limits = dialer.limits
    let fresh = try await dialer.connect { try HTTPConnection.configure($0, limits: limits) }.result
    guard !isShutDown else {
      fresh.close()
      throw .shutDown
    }
    connection = fresh
    return try await exchange(head, request, over: fresh)
  }

  /// Closes the connection; a call in progress fails.
  func shutDown() {
    isShutDown = true
    connection?.close()
    connection = nil
  }

  private func exchange(
    _ head: HTTPRequestHead, _ request: [UInt8], over current: HTTPConnection
  ) async throws(ClientError) -> HTTPConnection.Reply {
    do {
      let reply = try await current.exchange(head, body: request)
      lastUse = .now
      if !reply.keepsAlive {
        drop(current)
      }
      return reply
    } catch {
      drop(current)
      throw error
    }
  }

  private func reusableConnection() -> HTTPConnection? {
    guard !isShutDown, let connection else { return nil }
    if connection.isOpen, .now - lastUse < dialer.limits.idleReuseTimeout {
      return connection
    }
    drop(connection)
    return nil
  }

  private func drop(_ dropped: HTTPConnection) {
    dropped.close()
    connection = nil
  }

  private func takeTurn() async {
    if isBusy {
      await withCheckedContinuation { waiters.append($0) }
    } else {
      isBusy = true
    }
  }

  private func endTurn() {
    if let next = waiters.popFirst() {
      next.resume()
    } else {
      isBusy = false
    }
  }
}
