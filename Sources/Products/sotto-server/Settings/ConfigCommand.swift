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

    @Flag(help: "One object, for a script.")
    var json = false

    func run() async throws {
      let loaded = options.sources.load()
      var warnings: [String] = []
      do throws(ServerFailure) {
        if let tls = try loaded.certificate() { warnings = tls.warnings(now: SystemClock().secondsSince1970()) }
      } catch {
        if json { Output.print(json: Verdict(faults: error.faults.isEmpty ? [error.text] : error.faults, warnings: [])) }
        throw error
      }
      if !SecurityText.isPublished(loaded.settings, ServerDirectory(loaded.settings.data)) { warnings.append(SecurityText.missing) }
      for warning in warnings { Output.note("warning: \(warning)") }
      if json { Output.print(json: Verdict(faults: [], warnings: warnings)) } else { Output.print("the settings are right") }
    }

    private struct Verdict: Encodable {
      var faults: [String]
      var warnings: [String]
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print each setting, its value in force and where that came from.")

    @OptionGroup var options: SettingsOptions

    @Flag(help: "One object, for a script.")
    var json = false

    func run() async throws {
      let loaded = options.sources.load()
      if json {
        let values = loaded.values.map { Value(name: $0.setting.name, value: $0.text, from: $0.origin.text) }
        Output.print(json: InForce(settings: values, faults: loaded.faults))
        guard loaded.faults.isEmpty else { throw ServerFailure.badSettings(loaded.faults) }
        return
      }
      let width = loaded.values.map { $0.setting.name.count }.max() ?? 0
      for value in loaded.values {
        let name = value.setting.name.padding(toCount: width)
        Output.print("\(name)  \(value.text.isEmpty ? "-" : value.text)  (\(value.origin.text))")
      }
      guard loaded.faults.isEmpty else { throw ServerFailure.badSettings(loaded.faults) }
    }
  }

  private struct InForce: Encodable {
    var settings: [Value]
    var faults: [String]
  }

  private struct Value: Encodable {
    var name: String
    var value: String
    /// Where it came from: the command line, a variable, a line of the file, or nowhere.
    var from: String
  }

  struct Sample: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print a file of settings with every one explained.")

    func run() async throws { Output.print(Self.text) }

    /// What a first server needs is set; everything else stands with its default, as a comment.
    static var text: String {
      let set = ["data": "/var/lib/sotto", "listen": "[::]:8443", "advertise": "chat.example.org:8443"]
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
