/// A commit that is ready to be sent (RFC 9420 §12.4.1), and the states to which it can lead.
///
/// It used up a key and made new ones: whoever sends it and forgets them can neither go on nor go back. So the only way to
/// the message is ``message(storing:)``.
public struct OutgoingCommit: Sendable {
  let message: [UInt8]
  /// An ``MLSMessage`` for the members added; to be sent only when the commit has won its epoch.
  public let welcome: [UInt8]?
  /// The state in the new epoch; adopt it when the commit has won. Where messages were read in between, adopt
  /// its ``Group/succeeding(_:)``.
  public let group: Group
  /// The state in the old epoch to keep when another commit wins: it never uses this commit's message key again.
  /// For an external commit, which has no old state, nil.
  public let groupIfLost: Group?
  /// What the commit does, as its receivers will see it.
  public let changes: CommitChanges

  /// Stores what the commit leads to and hands out the message, in this order: a crash between the two loses a commit, and
  /// never uses a key twice.
  ///
  ///     let message = commit.message { made in
  ///       if let ifLost = made.groupIfLost { group = ifLost }
  ///       groupIfWon = made.group
  ///     }
  ///
  /// - Parameter store: is given this commit; keeps ``groupIfLost``, from now on the current state, and ``group`` and
  ///   ``welcome`` for the case that it wins. Where states outlive the process it makes them durable. The bytes must be
  ///   kept as well, to know the commit when it comes back: open the transaction around this call, and send them when it
  ///   has ended.
  /// - Returns: an ``MLSMessage``.
  /// - Throws: what `store` throws; the message is then lost, and the old state is still good.
  public func message<Failure: Error>(
    storing store: (OutgoingCommit) throws(Failure) -> Void
  ) throws(Failure) -> [UInt8] {
    try store(self)
    return message
  }
}
