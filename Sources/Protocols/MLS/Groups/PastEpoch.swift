import CryptoSuite
import WireFormat

/// What is kept of an epoch that a commit ended, to read the messages that were still under way.
struct PastEpoch: Sendable {
  let epoch: UInt64
  let groupContext: [UInt8]
  /// The leaves that the commit ending this epoch changed, as they were; all others are found in a later epoch. A partial
  /// member keeps none.
  var replacedLeaves: [LeafIndex: LeafNode?]
  let senderDataSecret: Secret
  var secretTree: SecretTree
}

/// The secret by which a past epoch can be proven to others who were there (RFC 9420 §8.6).
struct ResumptionSecret: Sendable {
  let epoch: UInt64
  let secret: Secret
}

/// A proposal that waits for a commit.
struct PendingProposal: Sendable {
  let reference: ProposalRef
  let proposal: Proposal
  let sender: Sender
  /// The private key of one's own Update.
  let leafKey: HPKEKeyPair?
  /// Of the proposal's encoding.
  let byteCount: Int

  init(reference: ProposalRef, proposal: Proposal, sender: Sender, leafKey: HPKEKeyPair?) {
    self.reference = reference
    self.proposal = proposal
    self.sender = sender
    self.leafKey = leafKey
    byteCount = proposal.encoded.count
  }
}

// MARK: - Saved state

extension PastEpoch {
  func encodePublic(into writer: inout ByteWriter) {
    writer.write(epoch)
    writer.writeVector(groupContext)
    writer.writeList(replacedLeaves.sorted { $0.key < $1.key }.map(ReplacedLeaf.init))
  }

  func encodeSecret(into writer: inout ByteWriter) {
    writer.writeVector(senderDataSecret)
    secretTree.encode(into: &writer)
  }
}

/// One entry of ``PastEpoch/replacedLeaves``.
struct ReplacedLeaf: WireCodable {
  var index: LeafIndex
  var leafNode: LeafNode?

  init(_ element: (key: LeafIndex, value: LeafNode?)) {
    index = element.key
    leafNode = element.value
  }

  func encode(into writer: inout ByteWriter) {
    index.encode(into: &writer)
    writer.writeOptional(leafNode)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    index = try LeafIndex(from: &reader)
    leafNode = try reader.readOptional()
  }
}

extension ResumptionSecret: WireCodable {
  func encode(into writer: inout ByteWriter) {
    writer.write(epoch)
    writer.writeVector(secret)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    epoch = try reader.readUInt64()
    secret = try reader.readSecret()
  }
}

extension PendingProposal: WireCodable {
  func encode(into writer: inout ByteWriter) {
    reference.encode(into: &writer)
    proposal.encode(into: &writer)
    sender.encode(into: &writer)
    writer.writeOptionalVector(leafKey?.privateKey)
  }

  init(from reader: inout ByteReader) throws(WireError) {
    let reference = try ProposalRef(from: &reader)
    let proposal = try Proposal(from: &reader)
    let sender = try Sender(from: &reader)
    let privateKey = try reader.readOptionalSecret()
    var leafKey: HPKEKeyPair?
    if let privateKey, case .update(let leafNode) = proposal {
      leafKey = HPKEKeyPair(privateKey: privateKey, publicKey: leafNode.encryptionKey)
    }
    self.init(reference: reference, proposal: proposal, sender: sender, leafKey: leafKey)
  }
}
