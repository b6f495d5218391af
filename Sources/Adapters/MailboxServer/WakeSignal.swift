import NIOCore
import Synchronization

/// Carries a session's wish to be woken to its connection, from any thread; wishes are merged until one is taken.
final class WakeSignal: Sendable {
  /// The event that reaches the stream handler.
  struct Requested: Sendable {}

  private let channel: any Channel
  private let isRaised = Atomic<Bool>(false)

  init(channel: any Channel) {
    self.channel = channel
  }

  /// Asks for a wake.
  func raise() {
    if !isRaised.exchange(true, ordering: .acquiringAndReleasing) {
      channel.pipeline.fireUserInboundEventTriggered(Requested())
    }
  }

  /// The wake event begins: a wish from now on asks for another one.
  func lower() {
    isRaised.store(false, ordering: .releasing)
  }
}
