import CryptoSuite
import Foundation
import MailboxEngine
import MailboxServer
import ServerStorage
import SottoProtocol
import Synchronization
import UnixSignals

/// One life of the server, from the opened directory to the drained connections.
struct ServerRun: Sendable {
  let loaded: LoadedSettings
  let sources: SettingsSources
  let listen: Endpoint
  let directory: ServerDirectory
  let tapFile: TapFile?
  let readyFile: String?

  private var settings: ServerSettings { loaded.settings }

  func run(_ hangups: UnixSignalsSequence) async throws {
    let clock = SystemClock()
    let startedAt = clock.secondsSince1970()
    let log = ServerLog(level: settings.logLevel) { Output.note($0) }
    let metrics = ServerMetrics()
    let reserve = ReserveKeeper(directory, note: Self.noteReserve)
    reserve.tend()
    let secrets = try directory.keys(creating: true).secrets()
    let store = try reserve.givingUp { () throws(ServerStorageError) in
      try directory.openStore(creating: true, checking: true, limits: settings.storage, observer: metrics.storeObserver)
    }
    if store.isOlderThanBefore { Output.note(Self.olderWarning) }
    if store.opening == 1 { Output.note(Self.newServerNote) }
    defer { try? store.close() }
    let objects = try directory.openObjects(
      quota: UInt64(settings.fileQuotaByteCount), minimumFreeByteCount: settings.storage.minimumFreeByteCount)
    let issuer = TokenIssuer(
      keys: try reserve.givingUp { () throws(ServerStorageError) in
        try directory.issuerKeys(today: clock.today)
      })
    let engine = MailboxEngine(
      store: store, objects: objects, secrets: secrets, issuer: issuer, clock: clock, random: SystemRandom())
    let tls = try ServerCertificate.loadAtStart(settings, directory, now: startedAt)
    tls?.noteWarnings(now: startedAt)
    if !SecurityText.isPublished(settings, directory) { Output.note("note: \(SecurityText.missing)") }
    // Who cannot list them now takes none, or takes them beside what is left.
    try? directory.reports.removeLeftovers()
    let keys = try ServedKeys(tls, behindProxy: KeyHash(HashAlgorithm.sha256.hash(secrets.identity.publicKey.bytes)))
    let current = Mutex(settings)
    let security: @Sendable () -> String? = {
      guard let site = SecurityText.site(of: directory) else { return nil }
      return SecurityText.make(
        current.withLock { $0 }, site: site, takesReports: directory.reports.publicKey() != nil, now: clock.secondsSince1970())
    }
    let application = EngineApplication(
      engine: engine, identity: secrets.identity, keys: keys,
      certifiedName: settings.tlsMode == .proxy ? settings.advertise : nil, metrics: metrics,
      desk: ReportDesk(
        box: directory.reports, identity: secrets.identity, clock: clock,
        refused: { [observer = metrics.observer] in observer(.refused(.reports)) }),
      security: security,
      reportText: { directory.reports.publicKey() == nil ? nil : SecurityText.site(of: directory).map(SecurityText.page) },
      clock: clock)
    var configuration = MailboxServerConfiguration(
      host: listen.host, port: Int(listen.port), limits: settings.limits, observer: metrics.observer)
    if let tapFile { configuration.plaintextTap = { _, bytes in tapFile.write(bytes) } }

    let (ports, port) = AsyncStream<Int>.makeStream(bufferingPolicy: .bufferingOldest(1))
    let server = try MailboxServer(application: ServerHooks.decorate(application, settings.data), tls: tls, configuration: configuration) {
      port.yield($0)
      port.finish()
    }
    let announcement = Announcement(
      listen: listen, advertise: settings.advertise, trust: settings.tlsMode == .proxy ? .webPKI : .statement,
      readyFile: readyFile, directory: directory, serverKey: secrets.identity.publicKey)
    announcement.takeBack()
    defer { announcement.takeBack() }

    let rows = RowCounter { [store, metrics] in
      let counts = try? await store.counts()
      if let counts { metrics.counted(rows: counts.rows) }
      return counts
    }
    let operatorPort = OperatorPort(
      answers: OperatorAnswers(
        directory: directory, store: store, rows: rows, metrics: metrics, keys: keys, clock: clock, startedAt: startedAt,
        hasSecurityText: { SecurityText.isPublished(current.withLock { $0 }, directory) }, phase: { server.phase }
      ).answer)
    try await open(operatorPort, log)
    let reloading = Reloading(
      sources: sources, server: server, directory: directory, keys: keys, metrics: metrics, log: log, clock: clock,
      inForce: loaded,
      applied: { new in
        current.withLock { $0 = new }
        store.replaceLimits(with: new.storage)
        objects.replaceMinimumFreeByteCount(with: new.storage.minimumFreeByteCount)
      })
    let upkeep = Upkeep(
      engine: engine, store: store, reserve: reserve, rows: rows, log: log,
      renew: {
        await reloading.renew()
        // What cannot be written now is tried again in a minute; the last quarter's key goes on signing.
        let today = clock.today
        if issuer.isOverdue(today: today), let keys = try? directory.issuerKeys(today: today) { issuer.replace(with: keys) }
      })

    let manager = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"]
    try await withThrowingTaskGroup { group in
      group.addTask {
        do { try await server.runUntilSignalled() } catch let error as MailboxServerError {
          throw ServerFailure(error, listening: listen)
        }
      }
      group.addTask {
        for await port in ports { try announcement.make(port: port) }
        if let manager { await ServiceManager.notify(.ready, socket: manager) }
        log.info("serving")
        try await upkeep.run()
      }
      // Not of the group's: its end is nobody's end.
      let reloads = Task { await reloading.run(hangups) }
      defer { reloads.cancel() }
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
    await operatorPort.close()
    log.info("connections are drained")
  }

  @Sendable private static func noteReserve() {
    Output.note(
      "WARNING: the disk is full. The room of server.reserve is given up, so that people can go on to receive and delete; make room soon.")
  }

  /// A disk that is not mounted looks like a server that was never there.
  private static let newServerNote = "note: a new server was made in this directory; links of any other lead elsewhere"

  private static let olderWarning = """
    WARNING: the database is older than this server's last life: the disk lost what it had confirmed, or an old copy was put in its
    WARNING: place. What was accepted in between is lost; what was acknowledged in between comes again. Look at the disk (docs/operating.md).
    """

  /// The socket serves `status`, which does without it where a path is too long; the port that the operator asked for must be had.
  private func open(_ port: OperatorPort, _ log: ServerLog) async throws {
    do throws(MailboxServerError) {
      try await port.listen(socket: directory.socketFile)
    } catch { log.warning("the socket for status cannot be had; its path may be too long") }
    guard let endpoint = settings.metricsListen else { return }
    do throws(MailboxServerError) {
      let bound = try await port.listen(host: endpoint.host, port: Int(endpoint.port))
      Output.note("note: metrics at http://\(Endpoint(host: endpoint.host, port: UInt16(clamping: bound)).text)/metrics")
    } catch { throw ServerFailure(error, listening: endpoint) }
  }
}
