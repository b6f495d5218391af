import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

struct KeyScheduleVectorTests {
  private struct KeyScheduleCase: SuiteCase {
    struct Epoch: Decodable {
      struct Exporter: Decodable {
        var context: HexBytes
        var label: String
        var length: Int
        var secret: HexBytes
      }
      var commit_secret, confirmation_key, confirmed_transcript_hash, encryption_secret, epoch_authenticator: HexBytes
      var exporter: Exporter
      var exporter_secret, external_pub, external_secret, group_context, init_secret, joiner_secret: HexBytes
      var membership_key, psk_secret, resumption_psk, sender_data_secret, tree_hash, welcome_secret: HexBytes
    }
    var cipher_suite: UInt16
    var epochs: [Epoch]
    var group_id, initial_init_secret: HexBytes
  }

  @Test(arguments: vectorFiles("key-schedule"))
  func `every epoch secret follows from the epoch before`(file: String) throws {
    try runVectors(file, as: KeyScheduleCase.self) { item, suite in
      var initSecret = Secret(item.initial_init_secret.bytes)
      for (number, epoch) in item.epochs.enumerated() {
        let context = GroupContext(
          cipherSuite: suite.rawValue, groupID: item.group_id.bytes, epoch: UInt64(number),
          treeHash: epoch.tree_hash.bytes, confirmedTranscriptHash: epoch.confirmed_transcript_hash.bytes,
          extensions: [])
        #expect(context.encoded == epoch.group_context.bytes)
        let schedule = KeySchedule(
          initSecret: initSecret, commitSecret: Secret(epoch.commit_secret.bytes),
          pskSecret: Secret(epoch.psk_secret.bytes), groupContext: context.encoded, suite: suite)
        #expect(schedule.joinerSecret == Secret(epoch.joiner_secret.bytes))
        #expect(schedule.welcomeSecret == Secret(epoch.welcome_secret.bytes))
        #expect(schedule.encryptionSecret == Secret(epoch.encryption_secret.bytes))
        let secrets = schedule.secrets
        #expect(secrets.senderDataSecret == Secret(epoch.sender_data_secret.bytes))
        #expect(secrets.exporterSecret == Secret(epoch.exporter_secret.bytes))
        #expect(secrets.externalSecret == Secret(epoch.external_secret.bytes))
        #expect(secrets.confirmationKey == Secret(epoch.confirmation_key.bytes))
        #expect(secrets.membershipKey == Secret(epoch.membership_key.bytes))
        #expect(secrets.resumptionPSK == Secret(epoch.resumption_psk.bytes))
        #expect(secrets.epochAuthenticator == Secret(epoch.epoch_authenticator.bytes))
        #expect(secrets.initSecret == Secret(epoch.init_secret.bytes))
        #expect(try secrets.externalKeyPair(suite).publicKey == epoch.external_pub.bytes)
        let exported = try secrets.export(
          label: epoch.exporter.label, context: epoch.exporter.context.bytes, count: epoch.exporter.length, suite)
        #expect(exported == Secret(epoch.exporter.secret.bytes))
        initSecret = secrets.initSecret
      }
    }
  }

  private struct PSKCase: SuiteCase {
    struct Key: Decodable { var psk_id, psk, psk_nonce: HexBytes }
    var cipher_suite: UInt16
    var psks: [Key]
    var psk_secret: HexBytes
  }

  @Test(arguments: vectorFiles("psk_secret"))
  func `pre-shared keys are chained in their order`(file: String) throws {
    try runVectors(file, as: PSKCase.self) { item, suite in
      let keys = item.psks.map {
        (id: PreSharedKeyID(key: .external(id: $0.psk_id.bytes), nonce: $0.psk_nonce.bytes), secret: Secret($0.psk.bytes))
      }
      let secret = try PreSharedKeySecret.chain(keys, suite: suite)
      #expect(secret == Secret(item.psk_secret.bytes))
    }
  }

  private struct TranscriptCase: SuiteCase {
    var cipher_suite: UInt16
    var confirmation_key, authenticated_content, interim_transcript_hash_before: HexBytes
    var confirmed_transcript_hash_after, interim_transcript_hash_after: HexBytes
  }

  @Test(arguments: vectorFiles("transcript-hashes"))
  func `the transcript runs over the commit and its tag`(file: String) throws {
    try runVectors(file, as: TranscriptCase.self) { item, suite in
      let commit = try AuthenticatedContent(decoding: item.authenticated_content.bytes)
      let confirmed = TranscriptHash.confirmed(
        interimBefore: item.interim_transcript_hash_before.bytes, commit: commit, suite: suite)
      #expect(confirmed == item.confirmed_transcript_hash_after.bytes)
      let tag = try #require(commit.auth.confirmationTag)
      #expect(suite.hash.hmac(key: Secret(item.confirmation_key.bytes), confirmed) == tag)
      #expect(
        TranscriptHash.interim(confirmed: confirmed, confirmationTag: tag, suite: suite)
          == item.interim_transcript_hash_after.bytes)
    }
  }

  private struct SecretTreeCase: SuiteCase {
    struct SenderData: Decodable { var sender_data_secret, ciphertext, key, nonce: HexBytes }
    struct Generation: Decodable {
      var generation: UInt32
      var application_key, application_nonce, handshake_key, handshake_nonce: HexBytes
    }
    var cipher_suite: UInt16
    var encryption_secret: HexBytes
    var sender_data: SenderData
    var leaves: [[Generation]]
  }

  @Test(arguments: vectorFiles("secret-tree"))
  func `every leaf has its own message keys`(file: String) throws {
    try runVectors(file, as: SecretTreeCase.self) { item, suite in
      var tree = SecretTree(encryptionSecret: Secret(item.encryption_secret.bytes), leafCount: item.leaves.count)
      for (index, generations) in item.leaves.enumerated() {
        let leaf = LeafIndex(UInt32(index))
        // The later one first, so that the earlier comes from the skipped keys.
        for step in generations.reversed() {
          let application = try tree.take(leaf, .application, step.generation, suite)
          #expect(application.key == Secret(step.application_key.bytes))
          #expect(application.nonce == Secret(step.application_nonce.bytes))
          let handshake = try tree.take(leaf, .commit, step.generation, suite)
          #expect(handshake.key == Secret(step.handshake_key.bytes))
          #expect(handshake.nonce == Secret(step.handshake_nonce.bytes))
        }
      }
      let data = item.sender_data
      let message = PrivateMessage(
        groupID: [], epoch: 0, contentType: .application, authenticatedData: [], encryptedSenderData: [],
        ciphertext: data.ciphertext.bytes)
      let (key, nonce) = message.senderDataKey(Secret(data.sender_data_secret.bytes), suite)
      #expect(key == Secret(data.key.bytes))
      #expect(nonce == Secret(data.nonce.bytes))
    }
  }
}
