import ArgumentParser
import MailboxServer
import ServerStorage
import UnixSignals

/// `sotto-server serve`
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve until SIGTERM or SIGINT.")

  @OptionGroup var options: SettingsOptions

  @Option(help: ArgumentHelp("A file to write the address to, once clients can connect.", valueName: "file"))
  var readyFile: String?

  @Option(
    help: ArgumentHelp(
      "For tests only: keep everything that crosses the plaintext side of TLS in this file.", valueName: "file"))
  var tap: String?

  @Flag(
    help: ArgumentHelp(
      "For breach-drill only, with --tap: let this process's memory be read and dumped.", visibility: .hidden))
  var openToDrill = false

  func validate() throws {
    // What opens memory is only for a server that keeps no secret of its traffic anyway.
    guard !openToDrill || tap != nil else { throw ValidationError("--open-to-drill needs --tap") }
  }

  func run() async throws {
    ProcessSettings.apply(openToDrill: openToDrill)
    if openToDrill { Output.note(Self.drillWarning) }
    // From here on a SIGHUP waits until it can be served.
    let hangups = await UnixSignalsSequence(trapping: .sighup)
    let loaded = try options.load()
    try await withWords(in: loaded.settings.data) {
      guard let listen = loaded.settings.listen else { throw ServerFailure.badSettings(loaded.faults) }
      let directory = ServerDirectory(loaded.settings.data)
      // A first start that comes to nothing leaves nothing behind, least of all keys.
      if !directory.exists {
        do throws(MailboxServerError) {
          try await MailboxServer.tryListening(host: listen.host, port: Int(listen.port))
        } catch { throw ServerFailure(error, listening: listen) }
      }
      // Held until the function returns, or the process ends in any way.
      let lock = try directory.lock()
      defer { withExtendedLifetime(lock) {} }
      let tapFile = try tap.map(TapFile.init(path:))
      if tapFile != nil { Output.note(Self.tapWarning) }
      defer { tapFile?.finish() }
      let run = ServerRun(
        loaded: loaded, sources: options.sources, listen: listen, directory: directory, tapFile: tapFile, readyFile: readyFile)
      try await run.run(hangups)
    }
  }

  private static let tapWarning = """
    WARNING: --tap is on. Everything that clients say to this server is kept in a file, with TLS taken off: who writes to
    WARNING: which mailbox, and when. It is meant for tests. Never run a server for real people with it.
    """

  private static let drillWarning = """
    WARNING: --open-to-drill is on. The memory of this server may be read and is written to disk when it crashes, with all
    WARNING: keys in it. It is meant for breach-drill, which starts servers of its own. Never run a server for real people with it.
    """
}
