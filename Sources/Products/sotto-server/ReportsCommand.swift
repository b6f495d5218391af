import ArgumentParser
import CryptoSuite
import Foundation
import MailboxEngine
import ServerStorage
import SottoProtocol

/// `sotto-server reports`
struct ReportsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reports", abstract: "Take reports of holes and abuse, which a thief of the server cannot read.",
    subcommands: [Init.self, List.self, Read.self, Delete.self])

  struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make the key that reports are sealed to, and print its private half: once, to be kept away from this machine.")

    @OptionGroup var data: DataOptions

    @Flag(help: "One object, for a script.")
    var json = false

    func run() async throws {
      ProcessSettings.apply()
      let directory = ServerDirectory(data.directory)
      let key = try await withWords {
        _ = try directory.keys(creating: false)
        let seed = Secret(randomByteCount: ReportKeyText.byteCount)
        do { try directory.reports.start(publicKey: SealedReport.key(seed).publicKey) } catch ServerStorageError.exists {
          throw ServerFailure.reportsAreTaken
        }
        return ReportKeyText.text(seed)
      }
      if json {
        Output.print(json: Made(key: key, address: SecurityText.site(of: directory).map(SecurityText.reportAddress)))
      } else {
        Output.print(key)
      }
      Output.note("This key reads the reports. It is not kept here: write it down, and store it away from this machine.")
      if let site = SecurityText.site(of: directory) {
        Output.note("Reports are taken at \(SecurityText.reportAddress(site)), and \(SecurityText.address(site)) says so.")
      }
    }
  }

  private struct Made: Encodable {
    /// The private one.
    var key: String
    /// Where reports are taken; nothing before the first start.
    var address: String?
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the name of each report and the day it came; and, of a server that runs, how many were refused.")

    @OptionGroup var place: ReportPlace

    @Flag(help: "One object, for a script.")
    var json = false

    func run() async throws {
      ProcessSettings.apply()
      let found = try await withWords { try place.reports.list() }
      let reports = found.map { Report(name: $0.name, day: ServerStatus.day(UInt64($0.day) * 86_400)) }
      let refused = if let server = place.server { await ServerStatus.told(by: server)?.refusedReports } else { Int?.none }
      if json { return Output.print(json: Waiting(reports: reports, refused: refused)) }
      for report in reports { Output.print("\(report.name)  \(report.day)") }
      if place.server == nil, reports.isEmpty { Output.note("note: no report lies in this folder itself") }
      if let refused, refused > 0 { Output.note("note: \(refused) reports were refused since the server's start") }
    }

    private struct Report: Encodable {
      var name: String
      var day: String
    }

    private struct Waiting: Encodable {
      var reports: [Report]
      /// Since the start; nothing while the server does not run.
      var refused: Int?
    }
  }

  struct Read: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print one report; the private key is read from the first line of standard input.",
      discussion: """
        The key belongs away from the server. So copy the server's folder `reports` to where the key is, and read there with --folder: \
        nothing else of the server is needed.
        """)

    @OptionGroup var place: ReportPlace

    @Argument(help: "Its name, as `reports list` prints it.")
    var name: String

    func run() async throws {
      ProcessSettings.apply()
      guard let line = readLine(), let seed = ReportKeyText.seed(line) else { throw ServerFailure.noReportKey }
      let text = try await withWords {
        let sealed = try named { try place.reports.read(name) }
        do { return try SealedReport.open(sealed, with: SealedReport.key(seed)) } catch { throw ServerFailure.wrongReportKey }
      }
      // A report is a stranger's: nothing in it may steer the terminal.
      Output.print(TerminalText.harmless(String(decoding: text, as: UTF8.self)))
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Delete one report.")

    @OptionGroup var data: DataOptions

    @Argument(help: "Its name, as `reports list` prints it.")
    var name: String

    func run() async throws {
      ProcessSettings.apply()
      try await withWords { try named { try ServerDirectory(data.directory).existing.reports.delete(name) } }
    }
  }
}

/// Where reports lie that are listed and read.
struct ReportPlace: ParsableArguments {
  @Option(name: .customLong("data"), help: DataOptions.directoryHelp)
  var directory = ""

  @Option(help: DataOptions.configHelp)
  var config: String?

  @Option(help: ArgumentHelp("A copy of a server's folder `reports`, in place of a server's directory.", valueName: "dir"))
  var folder: String?

  mutating func validate() throws {
    guard folder == nil else {
      guard directory.isEmpty, config == nil else { throw ValidationError("--folder stands in place of --data and --config") }
      return
    }
    directory = try DataOptions.directory(directory, config: config)
  }

  /// Nil for a folder that was copied from one.
  var server: ServerDirectory? { folder == nil ? ServerDirectory(directory) : nil }

  var reports: ReportFolder {
    get throws {
      guard let folder else { return try ServerDirectory(directory).existing.reports.folder }
      let reports = ReportFolder(folder)
      guard reports.exists else { throw ServerFailure.cannotRead(folder) }
      return reports
    }
  }
}

extension ServerDirectory {
  /// This directory, if there is a server's data in it.
  fileprivate var existing: ServerDirectory {
    get throws {
      guard exists else { throw ServerFailure(ServerStorageError.missing) }
      return self
    }
  }
}

/// Runs what names a report.
private func named<Value>(_ body: () throws -> Value) throws -> Value {
  do { return try body() } catch ServerStorageError.missing { throw ServerFailure.noSuchReport }
}

/// The private key of reports as people write it down.
enum ReportKeyText {
  static let byteCount = 32
  private static let checkByteCount = 4

  static func text(_ seed: Secret) -> String {
    let bytes = seed.exposedBytes
    return "sotto-report-key-" + Base64URL.encode(bytes + HashAlgorithm.sha256.hash(bytes).prefix(checkByteCount))
  }

  /// Nil for anything mistyped.
  static func seed(_ line: String) -> Secret? {
    let text = line.trimming(while: \.isWhitespace)
    guard text.hasPrefix("sotto-report-key-"), let bytes = Base64URL.decode(String(text.dropFirst("sotto-report-key-".count))),
      bytes.count == byteCount + checkByteCount
    else { return nil }
    let seed = Array(bytes.prefix(byteCount))
    guard Array(HashAlgorithm.sha256.hash(seed).prefix(checkByteCount)) == Array(bytes.suffix(checkByteCount)) else { return nil }
    return Secret(seed)
  }
}

/// Text of strangers' on a terminal.
enum TerminalText {
  /// Without control characters but line ends and tabs; each stands as a question mark.
  static func harmless(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control where scalar != "\n" && scalar != "\t": result.append("?")
      case .format, .surrogate, .privateUse, .lineSeparator, .paragraphSeparator: result.append("?")
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
