import ConversationEngine
import CryptoSuite
import DeviceStorage
import Foundation
import SottoProtocol

/// A person's profile on this device: contacts, conversations, and the connections to their servers.
///
/// ```swift
/// let sotto = try await Sotto.open("/home/ada/.local/share/sotto", key: .passphrase(typed: words))
/// await sotto.connect()
/// for await event in await sotto.events() {
///   if case .message(let conversation, let entry) = event { … }
/// }
/// ```
///
/// Nothing is sent or fetched before `connect`. Whatever changes something is durable when it returns, and is sent
/// whenever the server is reached, now or after a restart. One process opens a profile at a time. Close it when done:
/// `close` makes old keys unreadable and lets go of the directory.
public actor Sotto {
  struct Waiter {
    /// Looks whether what it waits for has come, and resumes it if so.
    let look: (isolated Sotto, [Event]) -> Bool
    let give: (SottoError) -> Void
  }

  /// Sessions and connections to one server.
  struct Server {
    var session: ServerSession
    let wire: ServerWire
    /// What is under way there, until it ends or is cut off.
    var tasks: [Int: Task<Void, Never>] = [:]
  }

  let store: EncryptedDeviceStore
  let random: any RandomSource
  /// Nil when the profile is closed, or its disk has failed.
  var engine: ConversationEngine?
  var failure: SottoError?
  var isOnline = false
  var servers: [ServerAddress: Server] = [:]
  var subscribers: [Int: AsyncStream<Event>.Continuation] = [:]
  var waiters: [Int: Waiter] = [:]
  var nextID = 0
  var deadline: (time: UInt64, task: Task<Void, Never>)?
  /// Looks at the calendar while this is connected.
  var calendar: Task<Void, Never>?

  private init(engine: sending ConversationEngine, store: EncryptedDeviceStore, random: any RandomSource) {
    self.engine = engine
    self.store = store
    self.random = random
  }

  // MARK: - A profile's life

  /// Makes a profile, after the server has proven to be the one of the link. Its mailbox is registered once it is connected:
  /// see `waitUntilRegistered`.
  ///
  /// ```swift
  /// let (sotto, recoveryKey) = try await Sotto.create(
  ///   in: directory, key: .keyFile(path: "/media/stick/ada.key"), name: "Ada", registration: link)
  /// ```
  ///
  /// - Parameters:
  ///   - directory: is made if it is not there.
  ///   - name: what contacts see, 1 to 128 bytes.
  ///   - registration: the text of a registration link.
  /// - Returns: the profile, and the recovery key as a person writes it down. It is kept nowhere.
  public static func create(
    in directory: String, key: ProfileKey, name: String, registration: String
  ) async throws(SottoError) -> (sotto: Sotto, recoveryKey: String) {
    let link: RegistrationLink
    do { link = try RegistrationLink(registration) } catch { throw .link(error) }
    do {
      _ = try await ServerWire.identify(link.server, now: milliseconds() / 1000, lastSequence: 0)
    } catch { throw .server(error) }
    let store = try makeStore(in: directory, key: key)
    do {
      // A profile that was begun, and cut off before it held anybody, is begun anew.
      guard try ConversationEngine.open(store: store, random: SystemRandom()) == nil else {
        throw SottoError.profileExists
      }
      let (engine, recovery) = try ConversationEngine.create(
        name: name, registration: link, store: store, random: SystemRandom(), now: milliseconds())
      return (Sotto(engine: engine, store: store, random: SystemRandom()), recovery.revealedText())
    } catch {
      store.close()
      if let error = error as? EngineError { throw SottoError(error) }
      throw error as? SottoError ?? .storage
    }
  }

  /// Opens a profile.
  ///
  /// - Parameter waiting: how long to wait for another process to let go of it.
  /// - Throws: `.noProfile`, `.wrongKey`, `.profileInUse` and others about the profile.
  public static func open(
    _ directory: String, key: ProfileKey, waiting: Duration = .zero
  ) async throws(SottoError) -> Sotto {
    let store = try await openStore(in: directory, key: key, waiting: waiting)
    do {
      guard let engine = try ConversationEngine.open(store: store, random: SystemRandom()) else {
        throw SottoError.noProfile
      }
      return Sotto(engine: engine, store: store, random: SystemRandom())
    } catch {
      store.close()
      if let error = error as? EngineError { throw SottoError(error) }
      throw error as? SottoError ?? .storage
    }
  }

  /// With what kind of key a profile is opened; for a key file, where it lay when the profile was made.
  ///
  /// - Throws: `.noProfile` and others about the profile.
  public static func protection(of directory: String) throws(SottoError) -> ProfileProtection {
    do {
      switch try EncryptedDeviceStore.protection(of: directory) {
      case .passphrase: return .passphrase
      case .keyFile(let path): return .keyFile(path: path)
      }
    } catch { throw SottoError(error) }
  }

  /// Closes the connections and the profile. Everything asked of it afterwards throws `.closed`.
  public func close() async {
    for address in servers.keys { try? changeOnly { engine, now throws(EngineError) in try engine.fellBehind(address, now: now) } }
    await end(with: .closed)
    store.close()
  }

  /// Closes the profile and removes it from this device, with its keys and its history. Nothing brings it back.
  public func erase() async throws(SottoError) {
    await end(with: .closed)
    do { try store.erase() } catch { throw SottoError(error) }
  }

  private static func makeStore(
    in directory: String, key: ProfileKey
  ) throws(SottoError) -> EncryptedDeviceStore {
    do {
      _ = try EncryptedDeviceStore.protection(of: directory)
    } catch .missing {
      let deviceKey = try key.fresh()
      do { return try EncryptedDeviceStore.create(directory: directory, key: deviceKey) } catch {
        throw SottoError(error)
      }
    } catch { throw SottoError(error) }
    do { return try EncryptedDeviceStore.open(directory: directory, key: key.existing()) } catch {
      throw .profileExists
    }
  }

  private static func openStore(
    in directory: String, key: ProfileKey, waiting: Duration
  ) async throws(SottoError) -> EncryptedDeviceStore {
    let deviceKey = try key.existing()
    let end = ContinuousClock.now + waiting
    while true {
      do {
        return try EncryptedDeviceStore.open(directory: directory, key: deviceKey)
      } catch {
        guard error == .inUse, ContinuousClock.now < end, !Task.isCancelled else { throw SottoError(error) }
      }
      try? await Task.sleep(for: .milliseconds(100))
    }
  }

  /// Milliseconds since 1970, by this device's clock.
  static func milliseconds() -> UInt64 {
    UInt64(max(0, Date().timeIntervalSince1970) * 1000)
  }

  // MARK: - The engine

  /// Asks the engine something.
  func query<Value>(_ body: (ConversationEngine) throws(EngineError) -> Value) throws(SottoError) -> Value {
    guard let engine else { throw failure ?? .closed }
    do { return try body(engine) } catch { throw SottoError(error) }
  }

  /// Has the engine change something, then does what follows from it.
  func change<Value>(
    _ body: (inout ConversationEngine, UInt64) throws(EngineError) -> Value
  ) throws(SottoError) -> Value {
    let value = try changeOnly(body)
    pump()
    return value
  }

  /// Has the engine change something. After a failure of the disk the engine is dropped: what it holds may not be what is
  /// on disk.
  func changeOnly<Value>(
    _ body: (inout ConversationEngine, UInt64) throws(EngineError) -> Value
  ) throws(SottoError) -> Value {
    guard var current = engine.take() else { throw failure ?? .closed }
    do {
      let value = try body(&current, Sotto.milliseconds())
      engine = current
      return value
    } catch {
      if case .store = error {
        failure = SottoError(error)
        Task { await self.end(with: .storage) }
      } else {
        engine = current
      }
      throw SottoError(error)
    }
  }

  private func end(with reason: SottoError) async {
    failure = failure ?? reason
    engine = nil
    isOnline = false
    deadline?.task.cancel()
    deadline = nil
    calendar?.cancel()
    calendar = nil
    let ended = servers.values
    servers = [:]
    for waiter in waiters.values { waiter.give(reason) }
    waiters = [:]
    for subscriber in subscribers.values { subscriber.finish() }
    subscribers = [:]
    for server in ended {
      for task in server.tasks.values { task.cancel() }
      await server.wire.shutDown()
    }
  }
}

/// With what kind of key a profile is opened.
public enum ProfileProtection: Equatable, Sendable {
  case passphrase
  /// Where the key file lay when the profile was made.
  case keyFile(path: String)
}
