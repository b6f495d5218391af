import Foundation
import MailboxEngine
import MailboxServer
import ServerStorage

/// Why the program ends without having done its work, in words, with an exit code of `sysexits.h`.
///
/// It names no address of a client and nothing that a mailbox holds.
struct ServerFailure: Error {
  var text: String
  var hint: String
  var exit: ServerExit
  /// Each fault of the settings by itself, for a script.
  var faults: [String] = []

  private init(_ text: String, hint: String, exit: ServerExit) {
    self.text = text
    self.hint = hint
    self.exit = exit
  }

  /// - Parameter directory: the data directory, where words should name it.
  init(_ error: ServerStorageError, in directory: String? = nil) {
    switch error {
    case .missing:
      self.init(
        "there is no server's data in this directory", hint: "sotto-server serve makes it; look at --data",
        exit: .noInput)
    case .inUse:
      self.init(
        "another sotto-server uses this data directory", hint: "stop the other one, or name another directory with --data",
        exit: .tryAgain)
    case .keysMissing:
      self.init(
        "server.keys is missing beside the database",
        hint: "restore it from a backup: without it no mailbox can be found, and a new one would make a new server",
        exit: .badData)
    case .databaseMissing:
      self.init(
        "server.sqlite is missing or empty beside server.keys",
        hint:
          "restore it from a backup; or, if it is lost: sotto-server new-database makes an empty one, and everybody has to register anew",
        exit: .badData)
    case .readOnly:
      self.init(
        "the database cannot be opened to be written",
        hint: "look at how the disk is mounted, and at the owner of server.sqlite and of its directory",
        exit: .diskError)
    case .keysDamaged:
      self.init("server.keys is damaged", hint: "restore it from a backup", exit: .badData)
    case .issuerDamaged:
      self.init(
        "server.issuer is damaged",
        hint: "restore it from a backup, or move it away: a new one is made, and clients have new tokens signed",
        exit: .badData)
    case .keysExposed:
      self.init(
        "others may read server.keys", hint: "find out who has read it, then: chmod 600 server.keys",
        exit: .notPermitted)
    case .notADatabase:
      self.init(
        "server.sqlite is not a database of this program", hint: "restore it from a backup, or name another directory with --data",
        exit: .badData)
    case .databaseDamaged:
      self.init("the database is damaged", hint: "restore server.sqlite from a backup, and check the disk", exit: .badData)
    case .databaseNewer(let version):
      self.init(
        "the database was written by a newer program (version \(version))", hint: "install that version again",
        exit: .badData)
    case .serverOlder:
      self.init(
        "the server that runs here is of an older version than this program: restart it first",
        hint: "systemctl restart sotto-server; nothing was changed", exit: .tryAgain)
    case .notDurable:
      self.init(
        "the database does not promise to be on disk when it says so",
        hint: "put the data directory on a local file system", exit: .systemError)
    case .exists:
      self.init(
        "there is something already where this was to go", hint: "name a directory that is not there yet, or is empty",
        exit: .cannotCreate)
    case .full:
      self.init("there is no room for more reports", hint: "sotto-server reports delete", exit: .tryAgain)
    case .diskFull: self = .diskFull(at: directory)
    case .tooLittleRoom(let needed, let free):
      self.init(
        "this takes \(Quantity.rough(bytes: needed, roundingUp: true)), and \(Quantity.rough(bytes: free)) are free where it is to go",
        hint: "remove what is not needed there, or name a directory on another disk; nothing was written", exit: .tryAgain)
    case .system(let code) where code == EACCES || code == EPERM:
      self.init(
        "the data directory, or what the command writes to, cannot be used: permission denied",
        hint: "run it as the user whom it belongs to; root makes an empty one for them with install -d -o USER -g GROUP -m 700 DIR",
        exit: .systemError)
    case .system(let code):
      self.init(
        "the data directory cannot be used (system error \(code))", hint: "look at its owner, its permissions and the disk's space",
        exit: .systemError)
    case .database(let code):
      self.init(
        "the database cannot be opened (SQLite result \(code))",
        hint: "look at the permissions of the data directory and the disk's space", exit: .systemError)
    }
  }

  /// - Parameter directory: the data directory, where words should name it.
  init(_ error: TLSMaterialError, in directory: String? = nil) {
    switch error {
    case .unusable(let faults) where faults.contains(.keyExposed):
      self.init(
        "others may read server.tls.pem", hint: "find out who has read it, then: chmod 600 server.tls.pem",
        exit: .notPermitted)
    case .unusable:
      self.init(
        "server.tls.pem holds no usable key and certificate",
        hint: "restore it from a backup, or move it away: clients accept a new one, since the server's identity vouches for it",
        exit: .badData)
    case .cannotWrite where error.isFull: self = .diskFull(at: directory)
    case .cannotWrite(let code):
      self.init(
        "the TLS key cannot be written (system error \(code))", hint: "look at the data directory's permissions",
        exit: .systemError)
    }
  }

  init(_ error: MailboxServerError, listening address: Endpoint) {
    switch error {
    case .cannotListen(let code):
      let (reason, hint) = Self.listening(code)
      self.init("cannot listen on \(address.text): \(reason)", hint: hint, exit: .unavailable)
    case .notLoopback:
      self.init(
        "\(address.text) is no loopback address in numbers", hint: "127.0.0.1 and ::1 can only be reached from this machine",
        exit: .badSettings)
    }
  }

  private static func listening(_ code: Int32?) -> (reason: String, hint: String) {
    switch code {
    case EADDRINUSE: ("the port is taken", "another program has it; --listen names another port, and port 0 takes any that is free")
    case EACCES, EPERM:
      (
        "permission denied",
        "ports below 1024 take CAP_NET_BIND_SERVICE (docs/operating.md, \"Port 443\"); --listen names a port above them"
      )
    case EADDRNOTAVAIL: ("this machine has no such address", "0.0.0.0 and [::] stand for every address that it has")
    case .some(let code):
      ("system error \(code)", "look at --listen: [::]:8443 is every address of this machine, 0.0.0.0:8443 every one of IPv4")
    case nil: ("the name stands for no address", "[::]:8443 is every address of this machine, 0.0.0.0:8443 every one of IPv4")
    }
  }

  /// A certificate of the operator's own. A single fault of its files has a hint and a code of its own.
  ///
  /// - Parameter faults: what else is wrong with the settings.
  init(ownCertificate error: TLSMaterialError, beside faults: [String]) {
    guard case .unusable(let found) = error else {
      self.init(error)
      return
    }
    let words = found.map(Self.words)
    if faults.isEmpty, words.count == 1, let only = words.first {
      self.init("\(only.setting) \(only.fault)", hint: only.hint, exit: only.exit)
    } else {
      self = .badSettings(faults + words.map { "\($0.setting): \($0.fault)" })
    }
  }

  private static func words(_ fault: TLSFileFault) -> (setting: String, fault: String, hint: String, exit: ServerExit) {
    switch fault {
    case .noCertificate:
      (
        "tls.certificate", "is not there, cannot be read by this user, or holds no certificate as PEM",
        "look at the path, and at who may read it", .badData
      )
    case .noKey:
      (
        "tls.key", "is not there, cannot be read by this user, or holds no key as PEM", "look at the path, and at who may read it",
        .badData
      )
    case .keyExposed:
      ("tls.key", "may be read by everybody on this machine", "chmod o-rwx, and think of the key as known", .notPermitted)
    case .notOfOneKind:
      (
        "tls.certificate", "does not belong to tls.key, or TLS does not accept them",
        "put the certificate that was issued for this key, with its chain, leaf first", .badData
      )
    }
  }

  static func badSettings(_ faults: [String]) -> ServerFailure {
    let lines = faults.map { "\n  \($0)" }.joined()
    var failure = ServerFailure(
      faults.count == 1 ? "a setting is wrong:\(lines)" : "\(faults.count) settings are wrong:\(lines)",
      hint: "sotto-server config show says where each value came from", exit: .badSettings)
    failure.faults = faults
    return failure
  }

  init(_ error: StoreFailure) {
    guard error != .noRoom else {
      self.init(
        "there is no room for more", hint: "sotto-server status says how much is free; storage.free is how much has to stay so",
        exit: .tryAgain)
      return
    }
    self.init(
      "the database did not take it", hint: "look at the disk's space, and try again", exit: .diskError)
  }

  static let diskFailed = ServerFailure(
    "the disk failed while something was being written; the server ends so that nothing is promised falsely",
    hint: "check the disk, then start the server again", exit: .diskError)

  /// - Parameter directory: which disk it is.
  static func diskFull(at directory: String?) -> ServerFailure {
    ServerFailure(
      directory.map { "the disk is full on which \($0) lies, and this needs some of it" } ?? "the disk is full",
      hint: "make room there, some MiB are enough, and try again; what was accepted is there", exit: .tryAgain)
  }

  static let noLink = ServerFailure(
    "this is no link to register or to accept", hint: "it begins with sotto:// and ends with some 90 characters behind a #",
    exit: .badData)

  static let linkOfAnother = ServerFailure(
    "this link names another server", hint: "sotto-server identity says who this one is", exit: .badData)

  static let linkIsUsed = ServerFailure(
    "somebody has used this link already", hint: "nothing was changed; who came by it cannot be told from anybody else",
    exit: .cannotCreate)

  static let invitationIsTakenUp = ServerFailure(
    "somebody who has a mailbox here has taken up this invitation before, or it has ended",
    hint: "nobody can register with the link any more; who invited can see in sotto contacts whom they have met", exit: .cannotCreate)

  static let linkHasRegistered = ServerFailure(
    "somebody has registered with this link already, and keeps the mailbox",
    hint: "the invitation itself nobody can take up any more; who registered cannot be told from anybody else", exit: .cannotCreate)

  static let noSuchLink = ServerFailure(
    "there is no such link any more", hint: "it has expired, or was taken back before; nothing was changed", exit: .noInput)

  static let noSuchReport = ServerFailure(
    "there is no report of this name", hint: "sotto-server reports list prints the names of those that are there", exit: .noInput)

  static let reportsAreTaken = ServerFailure(
    "there is a key of reports already, and nothing was changed",
    hint: "for another one: read and delete what waits, then remove server.reports.key and begin again", exit: .cannotCreate)

  static let databaseIsThere = ServerFailure(
    "there is a database already, and nothing was changed",
    hint: "this command is only for a server whose server.sqlite is lost", exit: .cannotCreate)

  static let noReportKey = ServerFailure(
    "the first line of standard input is no key of reports", hint: "it begins with sotto-report-key-; reports init printed it",
    exit: .badData)

  static let wrongReportKey = ServerFailure(
    "this key does not open this report", hint: "take the key that reports init printed for this server, and a copy that is whole",
    exit: .badData)

  static let certificateEnded = ServerFailure(
    "the certificate has ended", hint: "renew it, then send SIGHUP again", exit: .badData)

  static let modeTakesRestart = ServerFailure(
    "tls.mode has changed, and that takes a restart; nothing else of the file was taken either",
    hint: "restart the server, or put tls.mode back and send SIGHUP again", exit: .badSettings)

  static func badAdvertisement(_ host: String) -> ServerFailure {
    ServerFailure(
      "\(host) cannot stand in a link", hint: "say with --advertise HOST:PORT under which address clients reach this server",
      exit: .badData)
  }

  static func drillFailed(_ reason: String) -> ServerFailure {
    ServerFailure(
      "the drill came to no result: \(reason)", hint: "nothing was shown, neither good nor bad; try again", exit: .softwareError)
  }

  static func cannotRead(_ path: String) -> ServerFailure {
    ServerFailure("\(path) is not there or cannot be read", hint: "look at the name and its permissions", exit: .noInput)
  }

  static func cannotWrite(_ what: String) -> ServerFailure {
    ServerFailure("\(what) cannot be written", hint: "look at its directory's permissions", exit: .systemError)
  }
}

/// Runs `body`, and puts its failures into words.
///
/// - Parameter directory: the data directory, where words should name it.
func withWords<Value>(in directory: String? = nil, _ body: () async throws -> Value) async throws -> Value {
  do {
    return try await body()
  } catch let error as ServerStorageError {
    throw ServerFailure(error, in: directory)
  } catch let error as TLSMaterialError {
    throw ServerFailure(error, in: directory)
  } catch let error as StoreFailure {
    throw ServerFailure(error)
  }
}
