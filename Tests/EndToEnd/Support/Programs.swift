import Foundation

/// The programs as they were built with the tests.
enum Programs {
  /// A program of this package, beside the test bundle.
  static func url(_ name: String) throws -> URL {
    let bundle = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    let program = bundle.deletingLastPathComponent().appending(path: name)
    guard FileManager.default.isExecutableFile(atPath: program.path) else { throw EndToEndError.notBuilt(name) }
    return program
  }

  /// Runs a program to its end.
  ///
  /// Its output goes to files, so that a full pipe never stops it.
  static func run(_ name: String, _ arguments: [String], environment: [String: String] = [:], input: String = "", in folder: URL) throws
    -> Outcome
  {
    let running = try start(name, arguments, environment: environment, input: input, in: folder)
    return running.outcome()
  }

  static func start(_ name: String, _ arguments: [String], environment: [String: String] = [:], input: String = "", in folder: URL) throws
    -> Running
  {
    let unique = UUID().uuidString
    let (outputFile, errorFile, inputFile) = (
      folder.appending(path: "\(unique).out"), folder.appending(path: "\(unique).err"), folder.appending(path: "\(unique).in")
    )
    for file in [outputFile, errorFile] { try Data().write(to: file) }
    try Data(input.utf8).write(to: inputFile)
    let process = Process()
    process.executableURL = try url(name)
    process.arguments = arguments
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path, "NO_COLOR": "1"].merging(environment) { $1 }
    process.standardOutput = try FileHandle(forWritingTo: outputFile)
    process.standardError = try FileHandle(forWritingTo: errorFile)
    process.standardInput = try FileHandle(forReadingFrom: inputFile)
    try process.run()
    return Running(process: process, outputFile: outputFile, errorFile: errorFile)
  }

  struct Running {
    let process: Process
    let outputFile: URL
    let errorFile: URL

    func outcome() -> Outcome {
      process.waitUntilExit()
      return Outcome(
        status: process.terminationReason == .uncaughtSignal ? -process.terminationStatus : process.terminationStatus,
        output: text(outputFile),
        errors: text(errorFile))
    }

    func kill() {
      Foundation.kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
  }

  /// How a program ended; a negative status is the signal that ended it.
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String

    var lines: [String] { output.split(separator: "\n").map(String.init) }
  }

  static func text(_ file: URL) -> String {
    String(decoding: (try? Data(contentsOf: file)) ?? Data(), as: UTF8.self)
  }
}

enum EndToEndError: Error {
  case notBuilt(String)
  case notReady(String)
  case failed(command: String, status: Int32, errors: String)
}

/// A folder that goes with the test.
final class Scratch {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "sotto-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}
