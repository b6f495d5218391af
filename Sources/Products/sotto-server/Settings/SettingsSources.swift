import Configuration
import Synchronization

/// Where settings come from. The command line outranks the environment, that the file, and that the defaults.
struct SettingsSources: Sendable {
  /// What was typed, by name.
  var flags: [String: String] = [:]
  /// All variables of the process.
  var environment: [String: String] = [:]
  /// The file to read, if any.
  var file: String?

  /// The settings in force, or every fault.
  func load() -> LoadedSettings {
    let file = self.file.map(SettingsFile.init(path:))
    return load(file: file)
  }

  func load(file: SettingsFile?) -> LoadedSettings {
    var loaded = LoadedSettings(findings: (file?.faults ?? []).map { SettingsFinding(text: $0) } + unknown(in: file))
    let origins = OriginReporter()
    let reader = ConfigReader(
      providers: [
        InMemoryProvider(name: "flags", values: Self.keyed(flags)),
        EnvironmentVariablesProvider(environmentVariables: ownVariables),
        InMemoryProvider(name: "file", values: Self.keyed((file?.values ?? [:]).mapValues(\.text))),
      ], accessReporter: origins)
    for setting in Setting.all {
      let text = reader.string(forKey: Self.key(setting.name))
      let origin = Self.origin(origins.take(), setting, file)
      loaded.values.append(.init(setting: setting, text: text ?? setting.fallback, origin: text == nil ? .fallback : origin))
      guard let text else { continue }
      guard !text.isEmpty else { continue }
      do throws(SettingFault) {
        try setting.apply(text, &loaded.settings)
      } catch {
        let text = "\(setting.name) (\(loaded.values.last?.origin.text ?? "")): \(error.text)"
        loaded.findings.append(SettingsFinding(setting: setting.name, text: text))
      }
    }
    loaded.findings += SettingsCheck.findings(in: loaded.settings)
    return loaded
  }

  /// The server's own variables, without the prefix.
  private var ownVariables: [String: String] {
    var own: [String: String] = [:]
    for (name, value) in environment where name.hasPrefix(Setting.variablePrefix) {
      own[String(name.dropFirst(Setting.variablePrefix.count))] = value
    }
    return own
  }

  /// Names that nobody knows.
  private func unknown(in file: SettingsFile?) -> [SettingsFinding] {
    let names = Setting.all.map(\.name)
    let variables = Setting.all.map(\.variable) + [SettingsOptions.fileVariable]
    func hint(_ name: String, among known: [String]) -> String {
      Setting.nearest(to: name, among: known).map { "; did you mean \($0)?" } ?? "; `sotto-server config sample` lists all"
    }
    var faults: [String] = []
    for (name, value) in (file?.values ?? [:]).sorted(by: { $0.value.line < $1.value.line }) where !names.contains(name) {
      faults.append("\(self.file ?? "file"):\(value.line): \(name) is no setting\(hint(name, among: names))")
    }
    for name in environment.keys.sorted() where name.hasPrefix(Setting.variablePrefix) && !variables.contains(name) {
      faults.append("environment: \(name) is no setting\(hint(name, among: variables))")
    }
    for name in flags.keys.sorted() where !names.contains(name) {
      faults.append("--set: \(name) is no setting\(hint(name, among: names))")
    }
    return faults.map { SettingsFinding(text: $0) }
  }

  private static func origin(_ provider: String?, _ setting: Setting, _ file: SettingsFile?) -> SettingOrigin {
    switch provider {
    case "InMemoryProvider[flags]": .flag
    case "InMemoryProvider[file]": .file(line: file?.values[setting.name]?.line ?? 0)
    case nil: .fallback
    default: .environment(variable: setting.variable)
    }
  }

  private static func key(_ name: String) -> ConfigKey { ConfigKey(name.split(separator: ".").map(String.init)) }

  private static func keyed(_ values: [String: String]) -> [AbsoluteConfigKey: ConfigValue] {
    var keyed: [AbsoluteConfigKey: ConfigValue] = [:]
    for (name, text) in values { keyed[AbsoluteConfigKey(key(name))] = ConfigValue(.string(text), isSecret: false) }
    return keyed
  }
}

/// Where a value came from.
enum SettingOrigin: Equatable, Sendable {
  case flag
  case environment(variable: String)
  case file(line: Int)
  case fallback

  var text: String {
    switch self {
    case .flag: "command line"
    case .environment(let variable): "environment, \(variable)"
    case .file(let line): "file, line \(line)"
    case .fallback: "default"
    }
  }
}

/// Something that is wrong with the settings.
struct SettingsFinding: Equatable, Sendable {
  /// Which one it is; nil where that is not known, as with a name that nobody knows.
  var setting: String?
  /// In one line, for people.
  var text: String
}

/// What came of reading the settings.
struct LoadedSettings: Sendable {
  struct Value: Sendable {
    var setting: Setting
    var text: String
    var origin: SettingOrigin
  }

  var settings = ServerSettings()
  /// Every setting with its value in force, in the order of the table.
  var values: [Value] = []
  /// All that is wrong.
  var findings: [SettingsFinding]

  /// The same, each in one line.
  var faults: [String] { findings.map(\.text) }

  /// What is wrong with the settings of one group, such as `storage`, or may be: a name that nobody knows may have been meant for one of
  /// them.
  func faults(concerning group: String) -> [String] {
    findings.filter { $0.setting.map { $0.hasPrefix(group + ".") } ?? true }.map(\.text)
  }

  func text(of name: String) -> String { values.first { $0.setting.name == name }?.text ?? "" }

  /// These settings with all that takes a restart as it is in force: what can be in force without one.
  func keepingFixed(of inForce: LoadedSettings) -> LoadedSettings {
    var kept = LoadedSettings(findings: findings)
    for value in values {
      let fixed = value.setting.isReloadable ? nil : inForce.values.first { $0.setting.name == value.setting.name }
      let value = fixed ?? value
      kept.values.append(value)
      // Each of them has been read without a fault before.
      if !value.text.isEmpty { try? value.setting.apply(value.text, &kept.settings) }
    }
    return kept
  }

  /// What differs from other settings and takes a restart.
  func fixedChanges(from inForce: LoadedSettings) -> [String] {
    values.filter { !$0.setting.isReloadable && $0.text != inForce.text(of: $0.setting.name) }.map(\.setting.name)
  }
}

/// Remembers which provider the last value came from.
private final class OriginReporter: AccessReporter {
  private let last = Mutex<String?>(nil)

  func report(_ event: AccessEvent) {
    let provider = event.providerResults.first { result in
      if case .success(let lookup) = result.result { lookup.value != nil } else { false }
    }
    last.withLock { $0 = provider?.providerName }
  }

  func take() -> String? {
    last.withLock { last in
      defer { last = nil }
      return last
    }
  }
}
