import Metering
import NIOCore
import Synchronization

/// Knows what all connections together have, and decides what one more may have. In memory only: nothing of it is
/// written, and a restart forgets it.
final class AdmissionControl: Sendable {
  private struct Use {
    var connectionCount = 0
    var heldByteCount = 0
  }

  private struct State {
    var limits: ServerLimits
    var statistics = ServerStatistics()
    /// Of the peers that have a connection, or bytes that the application still works on: each has one of either.
    var uses: [Peer: Use] = [:]
    // Fixed sizes, 16 bytes a place, so that no number of addresses grows them.
    var newConnections = SpendingTable(placeCount: 1 << 15)
    var requests = SpendingTable(placeCount: 1 << 14)
    var failedStreams = SpendingTable(placeCount: 1 << 14)
    var reports = SpendingTable(placeCount: 1 << 12)
    var lastLonePeer: UInt64 = 0

    mutating func forgetIfUnused(_ peer: Peer) {
      if let use = uses[peer], use.connectionCount == 0, use.heldByteCount == 0 { uses[peer] = nil }
    }
  }

  private let state: Mutex<State>
  private let maximumConnectionCount: Int
  private let observer: ServerObserver
  private let now: @Sendable () -> UInt64

  /// - Parameters:
  ///   - descriptorCount: files that the process may have open; some are kept for the application.
  ///   - now: microseconds of a clock that never goes back.
  init(
    limits: ServerLimits, descriptorCount: Int, observer: @escaping ServerObserver = { _ in },
    now: @escaping @Sendable () -> UInt64 = { NIODeadline.now().uptimeNanoseconds / 1_000 }
  ) {
    state = Mutex(State(limits: limits))
    maximumConnectionCount = max(1, descriptorCount - Self.reservedDescriptorCount)
    self.observer = observer
    self.now = now
  }

  /// For the database and its readers, the event loops, and connections on their way to being refused.
  private static let reservedDescriptorCount = 128

  var limits: ServerLimits { state.withLock { $0.limits } }
  var statistics: ServerStatistics { state.withLock { $0.statistics } }
  /// Peers that something is remembered of besides their pace.
  var knownPeerCount: Int { state.withLock { $0.uses.count } }

  func replaceLimits(with limits: ServerLimits) { state.withLock { $0.limits = limits } }

  /// Takes in a connection.
  ///
  /// - Returns: nil when it has to be closed.
  func admit(_ address: SocketAddress?) -> ConnectionPass? {
    let time = now()
    let pass: ConnectionPass? = state.withLock { state in
      let limits = state.limits
      let maximum = min(limits.maximumConnectionCount, maximumConnectionCount)
      let free = maximum - state.statistics.openConnectionCount
      guard free > 0 else {
        state.statistics.connectionsRefusedForWant += 1
        return nil
      }
      let peer: Peer
      if limits.distinguishesPeers, let known = Peer(address, ipv6PrefixBitCount: limits.ipv6PrefixBitCount) {
        // A peer may have no more connections than are free: with N greedy peers a share of 1/(N+1) stays free.
        guard (state.uses[known]?.connectionCount ?? 0) < min(limits.maximumConnectionCountPerPeer, free) else {
          state.statistics.connectionsRefusedByPeer += 1
          return nil
        }
        guard state.newConnections.take(from: limits.newConnections, of: known.number, at: time).isAllowed else {
          state.statistics.connectionsRefusedByRate += 1
          return nil
        }
        peer = known
      } else {
        state.lastLonePeer += 1
        peer = Peer(alone: state.lastLonePeer &* 0x9e37_79b9_7f4a_7c15)
      }
      state.uses[peer, default: Use()].connectionCount += 1
      state.statistics.openConnectionCount += 1
      state.statistics.acceptedConnectionCount += 1
      return ConnectionPass(control: self, peer: peer, limits: limits)
    }
    if pass == nil { observer(.refused(.connections)) }
    return pass
  }

  func leave(_ pass: ConnectionPass) {
    state.withLock { state in
      state.statistics.openConnectionCount -= 1
      state.uses[pass.peer, default: Use()].connectionCount -= 1
      state.forgetIfUnused(pass.peer)
    }
  }

  /// - Returns: the microseconds to wait before a request is taken, or nil when one is taken now.
  func waitForRequest(of pass: ConnectionPass) -> UInt64? {
    wait { state, time in state.requests.look(in: state.limits.requests, of: pass.peer.number, at: time) }
  }

  /// Takes what a request costs, which shows only when all of it has come; others of its peer's may have come meanwhile.
  ///
  /// - Returns: the microseconds to wait until there is as much, or nil when it was taken.
  func waitForWork(_ weight: Int, of pass: ConnectionPass) -> UInt64? {
    wait { state, time in state.requests.take(weight, from: state.limits.requests, of: pass.peer.number, at: time) }
  }

  private func wait(_ verdict: (inout State, UInt64) -> Verdict) -> UInt64? {
    let time = now()
    let wait: UInt64? = state.withLock { state in
      guard case .refused(let wait) = verdict(&state, time) else { return nil }
      state.statistics.requestsRefusedByRate += 1
      return wait
    }
    if wait != nil { observer(.refused(.pace)) }
    return wait
  }

  /// Takes one report of a peer's share of the day.
  ///
  /// - Returns: the microseconds to wait before the next one is taken, or nil when this one is.
  func waitForReport(of pass: ConnectionPass) -> UInt64? {
    let time = now()
    let wait: UInt64? = state.withLock { state in
      let verdict = state.reports.take(
        ServerLimits.reportWeight, from: state.limits.reports, of: pass.peer.number, at: time)
      guard case .refused(let wait) = verdict else { return nil }
      return wait
    }
    if wait != nil { observer(.refused(.reports)) }
    return wait
  }

  /// Gives back what `waitForReport` took.
  func giveBackReport(of pass: ConnectionPass) {
    let time = now()
    state.withLock { $0.reports.giveBack(ServerLimits.reportWeight, to: $0.limits.reports, of: pass.peer.number, at: time) }
  }

  func waitForStream(of pass: ConnectionPass) -> UInt64? {
    let time = now()
    let wait: UInt64? = state.withLock { state in
      let verdict = state.failedStreams.look(in: state.limits.failedStreams, of: pass.peer.number, at: time)
      guard case .refused(let wait) = verdict else { return nil }
      state.statistics.streamsRefusedByRate += 1
      return wait
    }
    if wait != nil { observer(.refused(.pace)) }
    return wait
  }

  func streamFailed(of pass: ConnectionPass) {
    let time = now()
    state.withLock { state in
      state.failedStreams.charge(1, to: state.limits.failedStreams, of: pass.peer.number, at: time)
      state.statistics.failedStreamCount += 1
    }
  }

  /// What one peer may hold of what is kept for those who hold little.
  private static let littleByteCount = 16_384

  /// Counts bytes that a connection is about to hold.
  ///
  /// They take about twice the memory: on their way in or out they lie there encrypted, too, and arrays and buffers have room to spare.
  ///
  /// The last eighth is for peers that hold little, as almost all requests do: each peer that may take as much as is free leaves half, and
  /// twenty of them would leave nothing.
  ///
  /// - Returns: false, and counts nothing, when there is no room: a peer may hold no more than is free.
  func hold(_ byteCount: Int, for pass: ConnectionPass) -> Bool {
    let fits = state.withLock { state in
      let bound = state.limits.maximumHeldByteCount / 2
      let held = state.uses[pass.peer]?.heldByteCount ?? 0
      let isLittle = byteCount <= Self.littleByteCount && held <= Self.littleByteCount - byteCount
      let free = bound - state.statistics.heldByteCount - (isLittle ? 0 : bound / 8)
      guard byteCount <= free, held <= free - byteCount else {
        state.statistics.refusedForMemoryCount += 1
        return false
      }
      state.uses[pass.peer, default: Use()].heldByteCount += byteCount
      state.statistics.heldByteCount += byteCount
      return true
    }
    if !fits { observer(.refused(.memory)) }
    return fits
  }

  func release(_ byteCount: Int, of pass: ConnectionPass) {
    state.withLock { state in
      state.uses[pass.peer]?.heldByteCount -= byteCount
      state.statistics.heldByteCount -= byteCount
      state.forgetIfUnused(pass.peer)
    }
  }
}

/// What the server has and has refused since it started: counts only, nothing of anybody.
public struct ServerStatistics: Sendable, Equatable {
  /// Connections that are open now.
  public var openConnectionCount = 0
  /// Bytes of bodies, replies and messages in memory now.
  public var heldByteCount = 0
  /// Connections taken in since the start.
  public var acceptedConnectionCount = 0
  /// Connections closed at once because all places were taken.
  public var connectionsRefusedForWant = 0
  /// Connections closed at once because their peer had its share.
  public var connectionsRefusedByPeer = 0
  /// Connections closed at once because their peer came too often.
  public var connectionsRefusedByRate = 0
  /// Requests answered by 429.
  public var requestsRefusedByRate = 0
  /// Streams answered by 429.
  public var streamsRefusedByRate = 0
  /// Requests and streams ended because too many bytes were held.
  public var refusedForMemoryCount = 0
  /// Streams that ended before their owner had proved to be one.
  public var failedStreamCount = 0
}
