import ArgumentParser
import ServerStorage

/// `sotto-server status`
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Say how the server is: running or not, since when, what it holds, what to look after.",
    discussion: "Ends with 0 when the server runs, and with 69 when it does not.")

  @OptionGroup var data: DataOptions

  @Flag(help: "One object, for a script.")
  var json = false

  func run() async throws {
    ProcessSettings.apply()
    let directory = ServerDirectory(data.directory)
    guard directory.exists else { throw ServerFailure(ServerStorageError.missing) }
    let now = SystemClock().secondsSince1970()
    var status = ServerStatus(directory, now: now)
    if let told = await ServerStatus.told(by: directory) {
      status = told
    } else if status.isRunning {
      status.warnings.append("the running server does not answer on its socket, so less is known")
    }
    if json {
      Output.print(String(decoding: status.json, as: UTF8.self))
    } else {
      for line in status.lines(now: now) { Output.print(line) }
    }
    if !status.isRunning { throw ExitCode(ServerExit.unavailable.rawValue) }
  }
}
