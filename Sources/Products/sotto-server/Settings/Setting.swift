/// One value that an operator can set: its name in the file, as a flag of `--set`, and in the environment.
struct Setting: Sendable {
  /// Lower-case words with dots: `tls.certificate`.
  let name: String
  /// What the value looks like, for people.
  let form: String
  let summary: String
  /// Whether SIGHUP is enough.
  let isReloadable: Bool
  /// The value in force when nobody sets one; empty where there is none.
  let fallback: String
  let apply: @Sendable (String, inout ServerSettings) throws(SettingFault) -> Void

  /// `SOTTO_SERVER_TLS_CERTIFICATE`.
  var variable: String {
    Setting.variablePrefix + name.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
  }

  static let variablePrefix = "SOTTO_SERVER_"
}

/// Why a value is refused, in words that go behind its name.
struct SettingFault: Error {
  var text: String
}

/// A place in the settings, of one type.
typealias SettingPath<Value> = WritableKeyPath<ServerSettings, Value> & Sendable

extension Setting {
  private static let defaults = ServerSettings()

  static func text(
    _ name: String, _ path: any SettingPath<String?>, form: String, reloadable: Bool = false, _ summary: String
  ) -> Setting {
    Setting(name: name, form: form, summary: summary, isReloadable: reloadable, fallback: "") { text, settings throws(SettingFault) in
      settings[keyPath: path] = text
    }
  }

  static func endpoint(_ name: String, _ path: any SettingPath<Endpoint?>, _ summary: String) -> Setting {
    Setting(name: name, form: "host:port", summary: summary, isReloadable: false, fallback: "") { text, settings throws(SettingFault) in
      settings[keyPath: path] = try Endpoint(reading: text)
    }
  }

  static func list(_ name: String, _ path: any SettingPath<[String]>, form: String, _ summary: String) -> Setting {
    let fallback = defaults[keyPath: path].joined(separator: ", ")
    return Setting(name: name, form: form, summary: summary, isReloadable: true, fallback: fallback) {
      text, settings throws(SettingFault) in
      settings[keyPath: path] = text.split(separator: ",").map { $0.trimming(while: \.isWhitespace) }.filter { !$0.isEmpty }
    }
  }

  static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
    _ name: String, _ path: any SettingPath<Choice>, reloadable: Bool, _ summary: String
  ) -> Setting {
    let names = Choice.allCases.map(\.rawValue)
    return Setting(
      name: name, form: names.joined(separator: "|"), summary: summary, isReloadable: reloadable,
      fallback: defaults[keyPath: path].rawValue
    ) { text, settings throws(SettingFault) in
      guard let choice = Choice(rawValue: text) else { throw SettingFault(text: "is none of \(names.joined(separator: ", "))") }
      settings[keyPath: path] = choice
    }
  }

  static func count(
    _ name: String, _ path: any SettingPath<Int>, _ range: ClosedRange<Int>, reloadable: Bool = true, _ summary: String
  ) -> Setting {
    Setting(
      name: name, form: "number", summary: summary, isReloadable: reloadable, fallback: String(defaults[keyPath: path])
    ) { text, settings throws(SettingFault) in
      guard let number = Int(text) else { throw SettingFault(text: "is no whole number") }
      guard range.contains(number) else { throw SettingFault(text: "is not within \(range.lowerBound) to \(range.upperBound)") }
      settings[keyPath: path] = number
    }
  }

  static func bytes(
    _ name: String, _ path: any SettingPath<Int>, _ range: ClosedRange<Int>, reloadable: Bool = true, _ summary: String
  ) -> Setting {
    Setting(
      name: name, form: "bytes", summary: summary, isReloadable: reloadable, fallback: Quantity.text(bytes: defaults[keyPath: path])
    ) { text, settings throws(SettingFault) in
      guard let number = Quantity.bytes(text) else { throw SettingFault(text: "is no size, such as 65536, 64KiB or 1MiB") }
      guard range.contains(number) else {
        throw SettingFault(text: "is not within \(Quantity.text(bytes: range.lowerBound)) to \(Quantity.text(bytes: range.upperBound))")
      }
      settings[keyPath: path] = number
    }
  }

  static func duration(
    _ name: String, _ path: any SettingPath<Duration>, _ range: ClosedRange<Duration>, _ summary: String
  ) -> Setting {
    Setting(
      name: name, form: "duration", summary: summary, isReloadable: true,
      fallback: Quantity.text(duration: defaults[keyPath: path])
    ) { text, settings throws(SettingFault) in
      guard let duration = Quantity.duration(text) else { throw SettingFault(text: "is no time, such as 500ms, 10s, 5m or 2h") }
      guard range.contains(duration) else {
        throw SettingFault(
          text: "is not within \(Quantity.text(duration: range.lowerBound)) to \(Quantity.text(duration: range.upperBound))")
      }
      settings[keyPath: path] = duration
    }
  }
}
