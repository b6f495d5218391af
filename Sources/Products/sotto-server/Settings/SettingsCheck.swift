import SottoProtocol

/// What only shows when several settings are looked at together.
enum SettingsCheck {
  static func findings(in settings: ServerSettings) -> [SettingsFinding] {
    var findings: [SettingsFinding] = []
    if settings.data.isEmpty { findings.append(.init("data", "is not set; where shall the server keep its database and keys?")) }
    if settings.listen == nil {
      findings.append(.init("listen", "is not set; [::]:8443 is every address of this machine, 0.0.0.0:8443 every one of IPv4"))
    }
    switch (settings.certificateFile, settings.keyFile) {
    case (.some, nil): findings.append(.init("tls.key", "is not set, while tls.certificate is"))
    case (nil, .some): findings.append(.init("tls.certificate", "is not set, while tls.key is"))
    default: break
    }
    if settings.tlsMode == .proxy { findings += proxyFindings(in: settings) }
    if let listen = settings.metricsListen, !listen.isLoopback {
      findings.append(.init("metrics.listen", "is not a loopback address; 127.0.0.1:9464 can only be reached from this machine"))
    }
    for contact in settings.contacts where !isContact(contact) {
      findings.append(.init("security.contact", "\(contact) is no mailto:, https: or tel: address"))
    }
    for language in settings.languages where !language.utf8.allSatisfy({ $0.isLanguageTag }) {
      findings.append(.init("security.languages", "\(language) is no language tag, such as en or pt-BR"))
    }
    return findings
  }

  private static func proxyFindings(in settings: ServerSettings) -> [SettingsFinding] {
    var findings: [SettingsFinding] = []
    if let listen = settings.listen, !listen.isLoopback {
      findings.append(.init("listen", "is not a loopback address, so others could read what the proxy passes on; tls.mode is proxy"))
    }
    if settings.certificateFile != nil || settings.keyFile != nil {
      findings.append(.init("tls.certificate", "the proxy has the certificate; tls.mode is proxy"))
    }
    switch settings.advertise {
    case nil: findings.append(.init("advertise", "is not set; it is the name that the proxy's certificate is for; tls.mode is proxy"))
    case .some(let address) where !ServerAddress.canBeCertified(address.host):
      findings.append(.init("advertise", "is an address in numbers; the proxy's certificate is for a name; tls.mode is proxy"))
    case .some(let address) where address.port == 0:
      findings.append(.init("advertise", "has port 0; clients sign on to the port that the proxy has; tls.mode is proxy"))
    default: break
    }
    return findings
  }

  private static func isContact(_ text: String) -> Bool {
    ["mailto:", "https://", "tel:"].contains { text.hasPrefix($0) && text.utf8.count > $0.utf8.count }
      && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }
}

extension SettingsFinding {
  fileprivate init(_ setting: String, _ fault: String) { self.init(setting: setting, text: "\(setting): \(fault)") }
}

extension UInt8 {
  fileprivate var isLanguageTag: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
