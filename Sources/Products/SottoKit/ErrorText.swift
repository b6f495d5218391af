import SottoProtocol

extension SottoError: CustomStringConvertible {
  public var description: String { text }

  /// What happened, in one sentence without a full stop.
  public var text: String {
    switch self {
    case .noProfile: "there is no profile here"
    case .profileExists: "there is a profile here already"
    case .directoryNotEmpty: "the profile's directory holds other files"
    case .profileInUse: "the profile is in use by another process"
    case .wrongKey: "the passphrase or key file is not the one of this profile"
    case .wrongKindOfKey: "this profile is opened with the other kind of key"
    case .noKeyFile: "the key file is not there"
    case .badKeyFile: "the key file does not hold 32 bytes"
    case .exposedKeyFile: "others may read the key file"
    case .shortPassphrase: "the passphrase is shorter than \(ProfileKey.shortestPassphrase) characters"
    case .damagedProfile: "the profile is damaged, or a part of it is gone"
    case .unsupportedProfile: "the profile was made by a newer version of this program"
    case .fileSystem(let errno): "the system refused to read or write the profile (error \(errno))"
    case .storage: "the disk did not take a change"
    case .closed: "the profile is closed"
    case .link(let error): Self.text(of: error)
    case .registrationRefused: "the registration link was used, or has expired"
    case .invitationRefused: "the invitation was used, withdrawn, or has expired"
    case .invitationNotTaken: "the server takes no more invitations for now, and this one was not kept"
    case .quotaUsedUp: "the server grants this profile no more new conversations for now"
    case .serverFull: "the server takes no more for now: it has no room, or its share for a day is used up"
    case .logFull: "the server keeps no more changes of this conversation's members for now"
    case .ownInvitation: "this invitation was made by this profile"
    case .server(let problem): Self.text(of: problem)
    case .timedOut: "it was not done in time"
    case .cancelled: "it was cancelled"
    case .noSuchContact: "there is no contact of this name"
    case .noSuchConversation: "there is no contact or group of this name"
    case .noSuchGroup: "there is no group of this title"
    case .noSuchInvitation: "there is no such invitation"
    case .ambiguousName: "the name fits more than one"
    case .unconfirmed: "this contact is not confirmed yet"
    case .notYetConnected: "the conversation is not set up yet"
    case .notActive: "the conversation has ended, or is being left"
    case .notPermitted: "the conversation's rules do not permit this"
    case .alreadyMember: "this contact is a member already"
    case .notMember: "this contact is not a member"
    case .badLength(let byteCount, let limit):
      byteCount == 0 ? "the text is empty" : "the text has \(byteCount) bytes of at most \(limit)"
    case .tooManyDevices(let limit): "the group would have more than \(limit) devices"
    case .lastOwner: "the only owner of a group with others in it cannot leave"
    case .cryptography: "a cryptographic operation failed on this device"
    case .file(let problem): problem.text
    }
  }

  /// What to do about it, in one sentence without a full stop.
  public var hint: String {
    switch self {
    case .noProfile: "make one with a registration link from whoever runs your server"
    case .profileExists: "choose another directory, or use the profile that is there"
    case .directoryNotEmpty: "choose an empty or a new directory"
    case .profileInUse: "end the other process, or wait for it"
    case .wrongKey: "try again; without the right one nobody can open the profile"
    case .wrongKindOfKey: "name a key file for a profile made with one, a passphrase for one made with a passphrase"
    case .noKeyFile: "name the place where it lies now"
    case .badKeyFile: "name the key file that the profile was made with"
    case .exposedKeyFile: "find out who has read it, then: chmod 600 FILE; a medium without permissions is no place for it"
    case .shortPassphrase: "choose a longer one: several random words are easy to remember"
    case .damagedProfile: "set the directory aside and make a new profile; your recovery key stays yours"
    case .unsupportedProfile: "use the version that made it, or a newer one"
    case .fileSystem: "look at the permissions and the free space of the profile's directory"
    case .storage: "look at the free space, then try again; nothing that was confirmed is lost"
    case .closed: "open it again"
    case .link(let error): Self.hint(of: error)
    case .registrationRefused:
      "each link works once, within 30 days: ask for a new one; if you did not use this one, somebody else may have"
    case .invitationRefused: "ask for a new invitation; if you did not use this one, somebody else may have"
    case .invitationNotTaken:
      "try again in some minutes, or tomorrow; invitations that nobody uses give room when they expire, or ask whoever runs the server"
    case .quotaUsedUp: "it stays queued; the server counts anew every 30 days, or ask whoever runs it"
    case .serverFull: "it stays queued and is asked for again by itself; whoever runs the server can allow more"
    case .logFull: "it stays queued, and messages go on; there is room when changes older than 30 days are gone"
    case .ownInvitation: "it is for somebody else to accept"
    case .server(let problem): Self.hint(of: problem)
    case .timedOut: "it stays queued and is done the next time the server is reached"
    case .cancelled: "what was queued is done the next time the server is reached"
    case .noSuchContact: "list your contacts"
    case .noSuchConversation: "list your contacts and groups"
    case .noSuchGroup: "list your groups"
    case .noSuchInvitation: "list your groups: invitations that wait stand there too"
    case .ambiguousName: "use the exact name, or a contact's identity; a contact gets another name by confirming it anew"
    case .unconfirmed: "confirm the contact first, if it is who you mean"
    case .notYetConnected: "fetch what waits at the server, then try again"
    case .notActive: "nothing can be sent there any more"
    case .notPermitted: "ask an administrator or owner of the group"
    case .alreadyMember, .notMember: "list the group's members"
    case .badLength(let byteCount, _): byteCount == 0 ? "write something" : "shorten it, or send it in parts"
    case .tooManyDevices: "make a second group"
    case .lastOwner: "remove the others first"
    case .cryptography: "try again; if it stays, the program is damaged"
    case .file(let problem): problem.hint
    }
  }

  private static func text(of error: LinkError) -> String {
    switch error {
    case .notALink: "this is not a link of Sotto's"
    case .badAddress: "the link names no server"
    case .damaged: "the link is incomplete or was changed"
    case .unsupportedVersion: "the link was made by a newer version of this program"
    case .wrongKind: "this is the other kind of link"
    }
  }

  private static func hint(of error: LinkError) -> String {
    switch error {
    case .notALink: "a link begins with sotto://"
    case .badAddress, .damaged: "copy the whole link, and put it in quotes"
    case .unsupportedVersion: "install the newer version"
    case .wrongKind: "a registration link (…/r#…) makes a profile, an invitation (…/i#…) is accepted"
    }
  }

  private static func text(of problem: ServerProblem) -> String {
    switch problem {
    case .unreachable: "the server cannot be reached"
    case .notThisServer: "who answers there cannot prove to be this server"
    case .expired: "the server's proof of its keys has expired"
    case .mailboxRefused: "the server does not know this profile's mailbox"
    case .refusing: "the server refuses service at the moment"
    case .busy: "the server has too much to do, or was asked too often"
    case .notUnderstood: "the server does not speak this program's protocol"
    }
  }

  private static func hint(of problem: ServerProblem) -> String {
    switch problem {
    case .unreachable: "look at the network, or ask whoever runs the server; what was asked for stays queued"
    case .notThisServer: "do not go on over this network; ask whoever runs the server"
    case .expired: "look at this device's clock, and ask whoever runs the server"
    case .mailboxRefused: "ask whoever runs the server whether its data was lost"
    case .refusing: "try again later"
    case .busy: "it is asked again by itself, after the time that it named; what was asked for stays queued"
    case .notUnderstood: "update this program, or ask whoever runs the server"
    }
  }
}
