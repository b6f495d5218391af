import SottoKit

/// How the program ends, by `sysexits.h`.
enum Exit {
  static let unexpected: Int32 = 1
  static let badData: Int32 = 65
  static let notFound: Int32 = 66
  static let unavailable: Int32 = 69
  static let cannotCreate: Int32 = 73
  static let outputFailed: Int32 = 74
  static let tryAgain: Int32 = 75
  static let notPermitted: Int32 = 77
}

/// A failure of the command line's own.
struct CommandFailure: Error {
  var text: String
  var hint: String
  var exitCode: Int32
}

extension SottoError {
  /// docs/cli.md lists them.
  var exitCode: Int32 {
    switch self {
    case .link, .badLength, .badKeyFile, .damagedProfile, .unsupportedProfile, .alreadyMember, .notMember, .ownInvitation:
      Exit.badData
    case .noProfile, .noKeyFile, .noSuchContact, .noSuchConversation, .noSuchGroup, .noSuchInvitation, .ambiguousName:
      Exit.notFound
    case .server: Exit.unavailable
    case .profileExists, .directoryNotEmpty, .fileSystem, .shortPassphrase: Exit.cannotCreate
    case .timedOut, .profileInUse, .cancelled, .storage, .notYetConnected, .invitationNotTaken, .quotaUsedUp, .serverFull, .logFull:
      Exit.tryAgain
    case .wrongKey, .wrongKindOfKey, .exposedKeyFile, .registrationRefused, .invitationRefused, .unconfirmed, .notActive, .notPermitted,
      .tooManyDevices, .lastOwner:
      Exit.notPermitted
    case .closed, .cryptography: Exit.unexpected
    case .file(let problem):
      switch problem {
      case .unreadable, .notAFile, .gone: Exit.notFound
      case .tooLarge, .changed, .damaged: Exit.badData
      case .exists, .unwritable: Exit.cannotCreate
      case .serverFull, .inUse, .quotaUsedUp: Exit.tryAgain
      case .refused: Exit.notPermitted
      }
    }
  }

  /// The hint in the words of this program.
  var commandHint: String {
    switch self {
    case .noProfile: "make one: sotto init --name NAME --server LINK, or name its directory with --profile"
    case .profileExists: "name another directory with --profile"
    case .directoryNotEmpty: "name an empty or new directory with --profile"
    case .wrongKindOfKey: "use --key-file for a profile made with one, --passphrase-file or the prompt for one made without"
    case .noKeyFile, .badKeyFile: "name the profile's key file with --key-file or SOTTO_KEY_FILE"
    case .noSuchContact: "sotto contacts lists those you have"
    case .noSuchConversation: "sotto contacts and sotto group list show whom you can write to"
    case .noSuchGroup, .noSuchInvitation: "sotto group list shows your groups and the invitations that wait"
    case .ambiguousName: "name a contact by the identity that sotto contacts --json shows: sotto contacts confirm IDENTITY --as OTHER"
    case .unconfirmed: "if it is who you mean: sotto contacts confirm NAME"
    case .notYetConnected: "sotto sync, then try again"
    case .timedOut: "it stays queued: sotto sync sends it, or any other command; --timeout waits longer"
    case .serverFull: "it stays queued: sotto sync asks again; whoever runs the server can allow more"
    case .file(.exists): "name another place with --to, or replace it with --overwrite"
    case .alreadyMember, .notMember: "sotto group list shows the members"
    default: hint
    }
  }
}
