import ArgumentParser
import ServerStorage

/// `sotto-server config`
struct ConfigCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Look at the settings: which are in force, and whether they are right.",
    subcommands: [Check.self, Show.self, Sample.self])

  struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Name every fault of the settings, and of the certificate that they name.")

    @OptionGroup var options: SettingsOptions

    func run() async throws {
      let settings = try options.load().settings
      if let tls = try ServerCertificate.own(settings) { tls.noteWarnings(now: SystemClock().secondsSince1970()) }
      if !SecurityText.isPublished(settings, ServerDirectory(settings.data)) { Output.note("note: \(SecurityText.missing)") }
      Output.print("the settings are right")
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print each setting, its value in force and where that came from.")

    @OptionGroup var options: SettingsOptions

    func run() async throws {
      let loaded = options.sources.load()
      let width = loaded.values.map { $0.setting.name.count }.max() ?? 0
      for value in loaded.values {
        let name = value.setting.name.padding(toCount: width)
        Output.print("\(name)  \(value.text.isEmpty ? "-" : value.text)  (\(value.origin.text))")
      }
      guard loaded.faults.isEmpty else { throw ServerFailure.badSettings(loaded.faults) }
    }
  }

  struct Sample: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print a file of settings with every one explained.")

    func run() async throws { Output.print(Self.text) }

    /// What a first server needs is set; everything else stands with its default, as a comment.
    static var text: String {
      let set = ["data": "/var/lib/sotto", "listen": "0.0.0.0:8443", "advertise": "chat.example.org:8443"]
      let examples = ["security.contact": "mailto:security@example.org"]
      var lines = [
        "# Settings of sotto-server. NAME = VALUE; a line that begins with # says nothing to the program.",
        "# The command line outranks the environment (\(Setting.variablePrefix)...), which outranks this file.",
        "# Check with: sotto-server config check --config FILE",
      ]
      for setting in Setting.all {
        lines += [
          "", "# \(setting.summary)", "# \(setting.form)\(setting.isReloadable ? "; read again at SIGHUP" : "")",
        ]
        if let value = set[setting.name] {
          lines.append("\(setting.name) = \(value)")
        } else {
          lines.append("# \(setting.name) = \(examples[setting.name] ?? setting.fallback)")
        }
      }
      return lines.joined(separator: "\n")
    }
  }
}

extension String {
  /// With spaces behind it up to a width.
  func padding(toCount width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
