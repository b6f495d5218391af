import ArgumentParser

/// A host and a port, as one types them: `example.org:8443`, `127.0.0.1:0`, `[::1]:8443`.
struct Endpoint: Equatable, Sendable {
  var host: String
  /// 0 where the system is to choose.
  var port: UInt16

  init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  init?(_ text: some StringProtocol) { try? self.init(reading: text) }

  /// - Throws: why it is none, in words that go behind its name.
  init(reading text: some StringProtocol) throws(SettingFault) {
    guard let colon = text.lastIndex(of: ":") else { throw SettingFault(text: "is not HOST:PORT, such as 0.0.0.0:8443 or [::]:8443") }
    let port = text[text.index(after: colon)...]
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw SettingFault(text: "is not HOST:PORT; an address with colons stands in brackets, as in [::]:8443")
    }
    guard !host.isEmpty else { throw SettingFault(text: "has no host before its port; 0.0.0.0 is every address of this machine") }
    guard let port = UInt16(port) else { throw SettingFault(text: "has no port from 0 to 65535 behind its last colon") }
    self.init(host: String(host), port: port)
  }

  /// Reads what was typed behind a flag.
  static func typed(_ text: String) throws -> Endpoint {
    do throws(SettingFault) { return try Endpoint(reading: text) } catch { throw ValidationError("it \(error.text)") }
  }

  var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Whether only this machine can reach it.
  var isLoopback: Bool { host == "localhost" || host == "::1" || isLoopbackIPv4 }

  private var isLoopbackIPv4: Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }

  /// Whether it stands for all addresses of the machine, under none of which a client finds it.
  var isWildcard: Bool { host == "0.0.0.0" || host == "::" }
}
