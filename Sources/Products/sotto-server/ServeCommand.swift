import ArgumentParser
import CryptoSuite
import Foundation
import MailboxEngine
import MailboxServer
import ServerStorage
import SottoProtocol

/// `sotto-server serve`
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve until SIGTERM or SIGINT.")

  @OptionGroup var data: DataOptions

  @Option(help: ArgumentHelp("Where to listen; port 0 takes any that is free.", valueName: "host:port"))
  var listen: Endpoint

  @Option(
    help: ArgumentHelp(
      "The address that links name, if it is another than --listen; port 0 stands for the one that is listened on.",
      valueName: "host:port"))
  var advertise: Endpoint?

  @Option(help: ArgumentHelp("A file to write the address to, once clients can connect.", valueName: "file"))
  var readyFile: String?

  @Option(
    help: ArgumentHelp(
      "For tests only: keep everything that crosses the plaintext side of TLS in this file.", valueName: "file"))
  var tap: String?

  func run() async throws {
    ProcessSettings.apply()
    try await withWords {
      let directory = ServerDirectory(data.directory)
      // Held until the function returns, or the process ends in any way.
      let lock = try directory.lock()
      defer { withExtendedLifetime(lock) {} }
      let tapFile = try tap.map(TapFile.init(path:))
      if tapFile != nil { Output.note(Self.tapWarning) }
      defer { tapFile?.finish() }
      try await serve(directory, tapFile)
    }
  }

  private static let tapWarning = """
    WARNING: --tap is on. Everything that clients say to this server is kept in a file, with TLS taken off: who writes to
    WARNING: which mailbox, and when. It is meant for tests. Never run a server for real people with it.
    """

  private func serve(_ directory: ServerDirectory, _ tapFile: TapFile?) async throws {
    let secrets = try directory.keys(creating: true).secrets()
    let store = try directory.openStore(creating: true, checking: true)
    // The last writer moves what the log holds into the database; a failure here costs nothing that was promised.
    defer { try? store.close() }
    let clock = SystemClock()
    let engine = MailboxEngine(store: store, secrets: secrets, clock: clock, random: SystemRandom())
    let tls = try TLSMaterial.loadOrMake(file: directory.tlsFile)
    guard let tlsKeyHash = KeyHash(tls.leafSPKIHash) else { throw TLSMaterialError.unusable }
    let application = EngineApplication(
      engine: engine, identity: secrets.identity, tlsKeyHashes: [tlsKeyHash], clock: clock)
    var configuration = MailboxServerConfiguration(host: listen.host, port: Int(listen.port))
    if let tapFile { configuration.plaintextTap = { _, bytes in tapFile.write(bytes) } }

    let (ports, port) = AsyncStream<Int>.makeStream(bufferingPolicy: .bufferingOldest(1))
    let server = try MailboxServer(application: application, tls: tls, configuration: configuration) {
      port.yield($0)
      port.finish()
    }
    let announcement = Announcement(
      listen: listen, advertise: advertise, readyFile: readyFile, directory: directory,
      serverKey: secrets.identity.publicKey)
    announcement.takeBack()
    defer { announcement.takeBack() }
    try await withThrowingTaskGroup { group in
      group.addTask {
        do { try await server.runUntilSignalled() } catch let error as MailboxServerError {
          throw ServerFailure(error, listening: listen)
        }
      }
      group.addTask {
        for await port in ports { try announcement.make(port: port) }
        try await Upkeep(engine: engine, store: store).run()
      }
      do {
        // Either the server ends, as it should by a signal, or the upkeep fails.
        try await group.next()
      } catch {
        await server.shutDown()
        group.cancelAll()
        while let result = await group.nextResult() { _ = result }
        throw error
      }
      group.cancelAll()
      while let result = await group.nextResult() { _ = result }
    }
  }
}
