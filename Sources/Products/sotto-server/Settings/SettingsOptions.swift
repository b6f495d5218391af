import ArgumentParser
import Foundation

/// The flags of settings; each outranks the environment and the file.
struct SettingsOptions: ParsableArguments {
  /// Names the file of settings.
  static let fileVariable = "SOTTO_SERVER_CONFIG"

  @Option(
    help: ArgumentHelp(
      "A file of settings (also \(SettingsOptions.fileVariable)); `sotto-server config sample` prints one.", valueName: "file"))
  var config: String?

  @Option(help: ArgumentHelp("The server's directory.", valueName: "dir"))
  var data: String?

  @Option(help: ArgumentHelp("Where to listen; port 0 takes any that is free.", valueName: "host:port"), transform: Endpoint.typed)
  var listen: Endpoint?

  @Option(
    help: ArgumentHelp(
      "The address that links name, if it is another than --listen; port 0 stands for the one that is listened on.",
      valueName: "host:port"), transform: Endpoint.typed)
  var advertise: Endpoint?

  @Option(help: ArgumentHelp("Any setting, by its name in the file; may be repeated.", valueName: "name=value"))
  var set: [String] = []

  func validate() throws {
    for text in set where !text.contains("=") { throw ValidationError("--set takes NAME=VALUE, not \(text)") }
  }

  /// All sources of the settings of this process.
  var sources: SettingsSources {
    var flags: [String: String] = [:]
    for text in set {
      guard let equals = text.firstIndex(of: "=") else { continue }
      flags[text[..<equals].trimming(while: \.isWhitespace)] = text[text.index(after: equals)...].trimming(while: \.isWhitespace)
    }
    for (name, value) in [("data", data), ("listen", listen?.text), ("advertise", advertise?.text)] {
      if let value { flags[name] = value }
    }
    let environment = ProcessInfo.processInfo.environment
    return SettingsSources(flags: flags, environment: environment, file: config ?? environment[Self.fileVariable])
  }

  /// The settings in force, right by themselves and with the certificate that they name.
  ///
  /// - Throws: a failure that names every fault.
  func load() throws -> LoadedSettings {
    let loaded = sources.load()
    _ = try loaded.certificate()
    return loaded
  }
}
