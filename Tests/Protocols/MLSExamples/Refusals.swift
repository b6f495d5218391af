import CryptoSuite
import MLS
import Testing

/// What to do when something is refused.
struct Refusals {
  // docs: errors
  enum Answer { case drop, wait, catchUp, look, fix }

  func answer(to error: MLSError) -> Answer {
    switch error {
    case .ownMessage, .pastEpoch, .replayedOrExpiredGeneration: .drop  // ordinary: an echo, a duplicate, too late
    case .futureEpoch: .catchUp  // a commit was missed: fetch the log, or resync
    case .unknownProposal, .missingPreSharedKey, .missingRatchetTree: .wait  // fetch what is missing, then again
    case .invalidProof: .wait  // a light member's annotations, not the message: fetch others, then again
    case .externalCommitNotAllowed: .look  // a light member's: upgrade, and read it as a full one
    case .wrongSigner, .pendingProposals, .groupEnded, .invalidPlan, .generationsExhausted, .exportSecretSpent,
      .invalidArchive:
      .fix  // the caller's own doing
    // Noise, or a broken commit: if others accept it, resync. A light member fetches other annotations first.
    case .mismatch(.confirmationTag), .invalidPath, .crypto: .look
    default: .drop  // malformed, forged or against the rules: its sender is at fault
    }
  }
  // docs: end

  @Test func `errors fall into classes`() throws {
    let (alice, bob) = (Device("alice"), Device("bob"))
    let directory = Directory([alice, bob])
    let groups = try start([alice, bob], directory: directory)
    var aliceGroup = groups[0]
    let sent = try aliceGroup.protect([1], signer: alice.signer).message { aliceGroup = $0 }
    func answer(_ body: () throws(MLSError) -> Void) -> Answer? {
      do { try body() } catch { return self.answer(to: error) }
      return nil
    }
    #expect(answer { () throws(MLSError) in _ = try aliceGroup.process(sent, validator: directory) } == .drop)
    #expect(answer { () throws(MLSError) in _ = try groups[1].process([1, 2], validator: directory) } == .drop)
    #expect(
      answer { () throws(MLSError) in _ = try groups[0].protect([1], signer: bob.signer) } == .fix)
    aliceGroup = try aliceGroup.commit(CommitPlan(), signer: alice.signer, validator: directory).group
    let later = try aliceGroup.protect([1], signer: alice.signer).message { aliceGroup = $0 }
    #expect(answer { () throws(MLSError) in _ = try groups[1].process(later, validator: directory) } == .catchUp)
  }
}
