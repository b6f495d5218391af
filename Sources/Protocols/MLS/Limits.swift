/// Bounds on everything a peer can make this library hold or compute, each with its reason. RFC 9420 leaves them to whoever
/// implements it, and has itself only the 30 bits of a vector's length (§2.1.2).
public enum Limits {
  /// Members in one group, and so leaves in one ratchet tree. More than twenty times the largest room the
  /// product opens (5,000); a hostile tree beyond it is refused before it is allocated.
  public static let maxLeafCount = 1 << 17

  /// Nodes in an encoded ratchet tree: 2 * leaves - 1.
  public static let maxNodeCount = 2 * maxLeafCount - 1

  /// Levels above a leaf: the depth of a tree with `maxLeafCount` leaves, which bounds an update path.
  public static let maxPathLength = 17

  /// Proposals in one commit: every member of the largest group removed and replaced at once.
  public static let maxProposalsPerCommit = 2 * maxLeafCount

  /// Proposals kept while they wait for a commit. A member who floods the group with proposals is refused here;
  /// honest groups have a handful.
  public static let maxPendingProposals = 4_096

  /// Choices among the proposals of a kind that wait, when a commit cannot cover all of them. Each is as much work as checking
  /// a commit, and it takes a few for each proposal that excludes others.
  static let maxCommitAttempts = 128

  /// Bytes of all proposals that wait for a commit. Anybody who knows the group can ask to be added; honest groups wait with
  /// a few kilobytes.
  public static let maxPendingByteCount = 16 << 20

  /// Bytes of a group's name and of the extensions of its context, which enter every signature and are kept with each past
  /// epoch. 256 external senders with a chain of certificates each take a good half.
  public static let maxGroupContextByteCount = 1 << 20

  /// Bytes of one leaf node. Keys of X-Wing take 1.2 kB, a chain of certificates or a log of devices some kilobytes more.
  public static let maxLeafByteCount = 64 << 10

  /// Bytes of all nodes of one ratchet tree, so that it can be saved and sent as one vector, which has at most 2^30.
  public static let maxTreeByteCount = 512 << 20

  /// Extensions in one list. Types must be distinct, and nobody has defined a hundred.
  public static let maxExtensions = 128

  /// Entries in one list of capabilities; the registries hold a few dozen, GREASE adds some.
  public static let maxCapabilities = 1_024

  /// Entries of one dictionary or list of an application's components; an application has a handful.
  public static let maxComponents = 256

  /// Certificates in one X.509 credential; chains of the web are three or four long.
  public static let maxCertificates = 32

  /// Pre-shared keys named by one commit or Welcome (the wire format counts them in a u16; nobody needs more).
  public static let maxPreSharedKeys = 256

  /// External senders in one group context.
  public static let maxExternalSenders = 256

  /// Leaves that a partial member remembers as proven in an epoch; more can be proven, and are checked each time.
  public static let maxProvenMembers = 4_096

  /// Commits that a partial member remembers while an upgrade goes on. Fetching and verifying a tree takes seconds; whoever
  /// falls this far behind begins again.
  public static let maxUpgradeCommits = 256

  /// Bytes of the commits that a partial member remembers while an upgrade goes on. A partial member cannot judge what they
  /// add, so this is all that bounds them; those of 256 busy epochs take a quarter.
  public static let maxUpgradeByteCount = 16 << 20

  /// Past epochs whose message keys are kept, so that messages that were under way when a commit was made are still
  /// readable. Each costs forward secrecy for what was not yet received in that epoch, so few.
  public static let pastEpochs = 5

  /// Past epochs whose resumption secret is kept; these let a former epoch be proven, not read.
  public static let resumptionEpochs = 32

  /// How far ahead of the newest seen generation a message may be. One step is two or three HMACs, so a forged-generation
  /// message by a member costs the receiver at most a few milliseconds.
  public static let maxForwardGenerations: UInt32 = 2_000

  /// Keys of skipped generations kept for one ratchet, oldest dropped first: reordering over the mailbox is
  /// a few messages; a whole lost burst is resent by its author under new keys.
  public static let maxSkippedGenerations = 1_000

  /// Bytes of one MLS message. Holds the Welcome, with its tree, of the largest group with X25519; the largest with
  /// X-Wing passes its tree beside the Welcome.
  public static let maxMessageByteCount = 256 << 20
}
