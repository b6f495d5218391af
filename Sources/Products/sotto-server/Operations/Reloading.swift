import MailboxEngine
import MailboxServer
import ServerStorage
import UnixSignals

/// Reads the settings and the certificate again at each SIGHUP, and renews the server's own certificate; one after the other,
/// so that neither undoes the other. Connections stay; what is wrong is refused, and what was in force stays in force.
actor Reloading {
  private let sources: SettingsSources
  private let server: MailboxServer
  private let directory: ServerDirectory
  private let keys: ServedKeys
  private let metrics: ServerMetrics
  private let log: ServerLog
  private let clock: any ServerClock
  private let applied: @Sendable (ServerSettings) -> Void
  private var inForce: LoadedSettings

  /// - Parameters:
  ///   - inForce: the settings that the server started with.
  ///   - applied: hears of new settings.
  init(
    sources: SettingsSources, server: MailboxServer, directory: ServerDirectory, keys: ServedKeys, metrics: ServerMetrics,
    log: ServerLog, clock: any ServerClock, inForce: LoadedSettings, applied: @escaping @Sendable (ServerSettings) -> Void
  ) {
    self.sources = sources
    self.server = server
    self.directory = directory
    self.keys = keys
    self.metrics = metrics
    self.log = log
    self.clock = clock
    self.inForce = inForce
    self.applied = applied
  }

  func run(_ hangups: UnixSignalsSequence) async {
    for await _ in hangups { reload() }
  }

  private func reload() {
    let loaded = sources.load()
    if !loaded.faults.isEmpty {
      do { _ = try loaded.certificate() } catch { return refuse(error) }
    }
    // Who does TLS decides what the certificate's settings mean: half of such a change is another server than either.
    guard loaded.settings.tlsMode == inForce.settings.tlsMode else { return refuse(.modeTakesRestart) }
    let changes = loaded.fixedChanges(from: inForce)
    let kept = loaded.keepingFixed(of: inForce)
    do {
      try apply(kept.settings)
    } catch {
      return refuse((error as? ServerFailure) ?? (error as? TLSMaterialError).map { ServerFailure($0) } ?? .cannotWrite("the certificate"))
    }
    for name in changes { Output.note("note: \(name) has changed; that takes a restart") }
    inForce = kept
    metrics.reloaded(isRefused: false)
    log.notice("settings and certificate were read again")
  }

  private func apply(_ settings: ServerSettings) throws {
    let now = clock.secondsSince1970()
    if let material = try ServerCertificate.load(settings, directory, now: now) {
      if material.notAfter <= now { throw ServerFailure.certificateEnded }
      material.noteWarnings(now: now)
      try serve(material, now: now)
    }
    server.replaceLimits(with: settings.limits)
    log.level = settings.logLevel
    applied(settings)
  }

  private func serve(_ material: TLSMaterial, now: UInt64) throws {
    guard material.leafSPKIHash != keys.material?.leafSPKIHash || material.notAfter != keys.material?.notAfter else { return }
    let former = keys.material
    // The statement names both keys before the new one is shown, so that no client meets a key that nobody vouches for.
    try keys.serve(material, now: now)
    do throws(TLSMaterialError) {
      try server.replaceTLS(with: material)
    } catch {
      try keys.serve(former, now: now)
      throw error
    }
    log.notice("another certificate is served", ("days_left", .count(material.daysLeft(now: now))))
  }

  /// Makes the next certificate of the server's own when the present one ends soon.
  func renew() {
    let settings = inForce.settings
    guard settings.tlsMode == .own, settings.certificateFile == nil else { return }
    let now = clock.secondsSince1970()
    do {
      if let material = try ServerCertificate.load(settings, directory, now: now) { try serve(material, now: now) }
    } catch { log.error("the next certificate cannot be made; the present one stays") }
  }

  private func refuse(_ failure: ServerFailure) {
    metrics.reloaded(isRefused: true)
    Output.note("warning: what was read at SIGHUP is refused, and what was in force stays: \(failure.text)\nhint: \(failure.hint)")
  }
}
