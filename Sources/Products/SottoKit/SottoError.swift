import ConversationEngine
import DeviceStorage
import SottoProtocol

/// Why something was not done.
///
/// `text` says it to a person, `hint` what to do. Neither holds a secret, a name, an identifier or an address.
public enum SottoError: Error, Equatable, Sendable {
  // The profile.
  case noProfile
  case profileExists
  case directoryNotEmpty
  case profileInUse
  case wrongKey
  case wrongKindOfKey
  case noKeyFile
  case badKeyFile
  /// Others than its owner may read or change the key file.
  case exposedKeyFile
  case shortPassphrase
  case damagedProfile
  case unsupportedProfile
  /// The system's error number.
  case fileSystem(errno: Int32)
  /// The device's disk did not take a change; the profile has to be opened again.
  case storage
  case closed

  // Links.
  case link(LinkError)
  case registrationRefused
  case invitationRefused
  case invitationNotTaken
  /// The server signs no more tokens for this profile in the present period.
  case quotaUsedUp
  /// The server takes nothing new at present; what was asked for stays queued.
  case serverFull
  /// The server keeps no more of a conversation's changes until older ones expire.
  case logFull
  case ownInvitation

  // The server.
  case server(ServerProblem)
  /// It was not done in time. What was asked for stays queued.
  case timedOut
  case cancelled

  // What was asked for.
  case noSuchContact
  case noSuchConversation
  case noSuchGroup
  case noSuchInvitation
  case ambiguousName
  case unconfirmed
  case notYetConnected
  case notActive
  case notPermitted
  case alreadyMember
  case notMember
  case badLength(byteCount: Int, limit: Int)
  case tooManyDevices(limit: Int)
  case lastOwner
  case cryptography

  // Files.
  case file(FileProblem)
}

extension SottoError {
  /// How a server keeps somebody waiting, by nobody's fault here.
  public enum Delay: Sendable {
    /// It is away: what lies there has not come.
    case absence
    /// It does not do something for a while: all that lay there has come, and all that does not wait for this is done.
    case holdUp
  }

  /// Whether only a server is waited for. Then what was asked for stays queued, and nothing on this device, nor what has arrived, has to
  /// wait with it.
  ///
  /// - Returns: nil for an error that ends what was to be done.
  public var delay: Delay? {
    switch self {
    case .server, .timedOut: .absence
    case .serverFull, .logFull, .quotaUsedUp: .holdUp
    default: nil
    }
  }
}

extension SottoError {
  init(_ error: ProfileError) {
    self =
      switch error {
      case .missing: .noProfile
      case .exists: .profileExists
      case .notEmpty: .directoryNotEmpty
      case .inUse: .profileInUse
      case .wrongKey: .wrongKey
      case .wrongKindOfKey: .wrongKindOfKey
      case .exposed: .exposedKeyFile
      case .damaged: .damagedProfile
      case .unsupported: .unsupportedProfile
      case .system(let errno): .fileSystem(errno: errno)
      }
  }

  init(_ holdUp: HoldUp) {
    self =
      switch holdUp {
      case .serverFull: .serverFull
      case .logFull: .logFull
      case .quotaUsedUp: .quotaUsedUp
      }
  }

  init(_ error: EngineError) {
    self =
      switch error {
      case .store(.unreadable), .damagedState: .damagedProfile
      case .store: .storage
      case .noSuchContact: .noSuchContact
      case .noSuchConversation: .noSuchConversation
      case .noSuchInvitation: .noSuchInvitation
      case .unconfirmed: .unconfirmed
      case .notActive: .notActive
      case .notPermitted: .notPermitted
      case .alreadyMember: .alreadyMember
      case .notMember: .notMember
      case .badLength(let byteCount, let limit): .badLength(byteCount: byteCount, limit: limit)
      case .tooManyDevices(let limit): .tooManyDevices(limit: limit)
      case .lastOwner: .lastOwner
      case .ownInvitation: .ownInvitation
      case .noMailbox: .notYetConnected
      case .cryptography: .cryptography
      }
  }
}
