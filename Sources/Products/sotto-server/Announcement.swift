import Foundation
import ServerStorage
import SottoProtocol

/// Says that clients can connect, and under which address.
struct Announcement: Sendable {
  var listen: Endpoint
  var advertise: Endpoint?
  var trust: ServerTrust
  var readyFile: String?
  var directory: ServerDirectory
  var serverKey: PublicKey32

  /// - Parameter port: the one that is listened on.
  func make(port: Int) throws {
    let bound = Endpoint(host: listen.host, port: UInt16(clamping: port))
    var address = advertise ?? bound
    if advertise == nil, listen.isWildcard { address.host = ProcessInfo.processInfo.hostName }
    if address.port == 0 { address.port = bound.port }
    guard ServerAddress(host: address.host, port: address.port, serverKey: serverKey, trust: trust) != nil else {
      throw ServerFailure.badAdvertisement(address.host)
    }
    try directory.rememberAddress(AdvertisedAddress(endpoint: address, trust: trust).text)
    if advertise == nil, listen.isWildcard {
      Output.note("note: links name this server as \(address.text); --advertise names it otherwise")
    }
    let line = "\(trust == .webPKI ? "http" : "https")://\(bound.text)"
    if let readyFile { try write("\(line)\n", to: readyFile) }
    Output.print("ready \(line)")
  }

  /// Removes the file that says so: the server has ended, or a former one left it behind.
  func takeBack() {
    // `unsafe`, here and below: a string is lent to the system as a C string for the duration of the call.
    if let readyFile { _ = unsafe unlink(readyFile) }
  }

  /// Whoever sees the file sees all of it.
  private func write(_ text: String, to path: String) throws {
    let newPath = "\(path).\(getpid()).new"
    let descriptor = unsafe open(newPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw ServerFailure.cannotWrite("the ready file") }
    let isWritten = Output.write(Array(text.utf8), to: descriptor)
    _ = close(descriptor)
    guard isWritten, unsafe rename(newPath, path) == 0 else { throw ServerFailure.cannotWrite("the ready file") }
  }
}

/// What links name, as the directory remembers it: `chat.example.org:8443`, or `chat.example.org:443 webpki`.
struct AdvertisedAddress {
  private static let mark = " webpki"

  var endpoint: Endpoint
  var trust: ServerTrust

  init(endpoint: Endpoint, trust: ServerTrust) {
    self.endpoint = endpoint
    self.trust = trust
  }

  init?(_ text: String) {
    trust = text.hasSuffix(Self.mark) ? .webPKI : .statement
    guard let endpoint = Endpoint(trust == .webPKI ? text.dropLast(Self.mark.count) : text[...]) else { return nil }
    self.endpoint = endpoint
  }

  var text: String { endpoint.text + (trust == .webPKI ? Self.mark : "") }
}
