package import ConversationEngine
import CryptoSuite
package import DeviceStoreTesting
package import SottoProtocol

/// One device of a simulated world: its engine, its disk, and what its shell keeps in memory.
package final class SimulatedDevice {
  package let index: Int
  package let store = InMemoryDeviceStore()
  package internal(set) var engine: ConversationEngine?
  let random: SeededRandom
  /// Counts the starts, so that what belongs to an earlier life is told.
  var incarnation = 0
  package internal(set) var isOnline = true
  var stream: SimulatedStream?
  var isConnecting = false
  /// Work for when there is a network, or a stream.
  var heldCalls: [Call] = []
  var heldIdentifications: [UInt64] = []
  var heldMessages: [(id: UInt64, message: OwnerMessage)] = []
  var unanswered: [UInt32: UInt64] = [:]
  var wakeTime: UInt64?
  /// The numbers of the writes that ended a transaction.
  package internal(set) var commitWrites: [Int] = []
  /// Everything that the engine has told since the beginning.
  package internal(set) var events: [Event] = []
  /// Links that are ready and were not handed over.
  package internal(set) var links: [(offer: OfferID, link: String)] = []

  init(index: Int, seed: UInt64) {
    self.index = index
    random = SeededRandom(seed: seed &* 1_000 &+ UInt64(index))
  }

  package var name: String { Self.names[index % Self.names.count] }
  private static let names = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gina", "Hugo"]

  /// Who this device's owner is.
  package var identity: IdentityID {
    guard let engine else { preconditionFailure("a device is asked for its owner while it runs") }
    return engine.identity
  }
}

/// One request on its way.
struct Call {
  let device: Int
  let incarnation: Int
  let work: UInt64
  let request: Request
  let message: MessageID?
}
