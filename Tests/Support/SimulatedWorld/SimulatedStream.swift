import MailboxEngine
import SottoProtocol

/// One stream between a device and the server; what is sent arrives in order, or not at all.
final class SimulatedStream {
  enum Phase { case greeting, attaching, attached, ended }

  let number: Int
  let device: Int
  let incarnation: Int
  let session: OwnerSession
  var phase = Phase.greeting
  var isDrained = false
  var hasCaughtUp = false
  /// Nothing passes any more, whatever the ends know of it.
  var isCut = false
  var lastToServer: UInt64 = 0
  var lastToDevice: UInt64 = 0

  init(number: Int, device: Int, incarnation: Int, session: OwnerSession) {
    self.number = number
    self.device = device
    self.incarnation = incarnation
    self.session = session
  }
}
