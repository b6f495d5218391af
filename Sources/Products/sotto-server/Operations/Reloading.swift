import MailboxEngine
import MailboxServer
import ServerStorage
import UnixSignals

/// Reads the settings and the certificate again at each SIGHUP. Connections stay; what is wrong is refused, and what was
/// in force stays in force.
struct Reloading: Sendable {
  let sources: SettingsSources
  let server: MailboxServer
  let directory: ServerDirectory
  let keys: ServedKeys
  let metrics: ServerMetrics
  let log: ServerLog
  let clock: any ServerClock
  /// Hears of the new settings.
  let applied: @Sendable (ServerSettings) -> Void

  /// - Parameter inForce: the values that the server started with.
  func run(_ hangups: UnixSignalsSequence, inForce: LoadedSettings) async {
    var inForce = inForce
    for await _ in hangups {
      let loaded = sources.load()
      guard loaded.faults.isEmpty else {
        refuse(ServerFailure.badSettings(loaded.faults))
        continue
      }
      do {
        try await withWords { try apply(loaded.settings) }
      } catch {
        refuse(error as? ServerFailure ?? .cannotWrite("the certificate"))
        continue
      }
      for value in loaded.values where !value.setting.isReloadable && value.text != inForce.text(of: value.setting.name) {
        Output.note("note: \(value.setting.name) has changed; that takes a restart")
      }
      inForce.settings = loaded.settings
      metrics.reloaded(isRefused: false)
      log.notice("settings and certificate were read again")
    }
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
  func renew(_ settings: ServerSettings) {
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
