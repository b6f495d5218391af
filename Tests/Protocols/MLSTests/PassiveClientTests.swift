import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

/// Accepts every credential, as the published vectors need.
struct AnyCredential: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool { true }
  func sameIdentity(old: Credential, new: Credential) -> Bool { true }
}

struct ExternalKeys: PSKProvider {
  var keys: [[UInt8]: Secret] = [:]

  func secret(for id: PreSharedKeyID) -> Secret? {
    if case .external(let name) = id.key { keys[name] } else { nil }
  }
}

struct PassiveClientTests {
  private struct PassiveCase: SuiteCase {
    struct Key: Decodable { var psk_id, psk: HexBytes }
    struct Epoch: Decodable {
      var proposals: [HexBytes]
      var commit, epoch_authenticator: HexBytes
    }
    var cipher_suite: UInt16
    var external_psks: [Key]
    var key_package, signature_priv, encryption_priv, init_priv, welcome: HexBytes
    var ratchet_tree: HexBytes?
    var initial_epoch_authenticator: HexBytes
    var epochs: [Epoch]
  }

  @Test(arguments: ["passive-client-welcome", "passive-client-handling-commit", "passive-client-random"])
  func `a newcomer follows a group of another implementation`(name: String) throws {
    try runVectors("mls/\(name).json", as: PassiveCase.self) { item, suite in
      guard case .keyPackage(let keyPackage) = try MLSMessage(decoding: item.key_package.bytes) else {
        Issue.record("no key package")
        return
      }
      let keyByteCount = suite.hpke.kem.privateKeyByteCount
      // The vectors do not hold the leaf's private key.
      let bundle = KeyPackageBundle(
        matching: keyPackage, cipherSuite: suite,
        initKey: HPKEKeyPair(privateKey: Secret(vectorKey: item.init_priv.bytes, count: keyByteCount), publicKey: keyPackage.initKey),
        leafKey: HPKEKeyPair(
          privateKey: Secret(vectorKey: item.encryption_priv.bytes, count: keyByteCount), publicKey: keyPackage.leafNode.encryptionKey))
      let psks = ExternalKeys(
        keys: Dictionary(item.external_psks.map { ($0.psk_id.bytes, Secret($0.psk.bytes)) }) { first, _ in first })
      var group = try Group.join(
        welcome: item.welcome.bytes, keyPackage: bundle, ratchetTree: item.ratchet_tree?.bytes, psks: psks,
        validator: AnyCredential()
      ).group
      #expect(group.epochAuthenticator == item.initial_epoch_authenticator.bytes)
      for epoch in item.epochs {
        for proposal in epoch.proposals {
          guard case .proposal(_, let next) = try group.process(proposal.bytes, psks: psks, validator: AnyCredential())
          else {
            Issue.record("no proposal")
            return
          }
          group = next
        }
        guard
          case .commit(let commit) = try group.process(epoch.commit.bytes, psks: psks, validator: AnyCredential()),
          let next = commit.group
        else {
          Issue.record("no commit")
          return
        }
        group = next
        #expect(group.epochAuthenticator == epoch.epoch_authenticator.bytes)
        group = try Group(restoring: group.archive())
      }
    }
  }

  private struct WelcomeCase: SuiteCase {
    var cipher_suite: UInt16
    var init_priv, key_package, signer_pub, welcome: HexBytes
  }

  @Test(arguments: vectorFiles("welcome"))
  func `a Welcome opens with the init key it was made for`(file: String) throws {
    try runVectors(file, as: WelcomeCase.self) { item, suite in
      guard case .keyPackage(let keyPackage) = try MLSMessage(decoding: item.key_package.bytes),
        case .welcome(let welcome) = try MLSMessage(decoding: item.welcome.bytes)
      else {
        Issue.record("other messages than expected")
        return
      }
      let keyByteCount = suite.hpke.kem.privateKeyByteCount
      // The vectors do not hold the leaf's private key.
      let bundle = KeyPackageBundle(
        matching: keyPackage, cipherSuite: suite,
        initKey: HPKEKeyPair(privateKey: Secret(vectorKey: item.init_priv.bytes, count: keyByteCount), publicKey: keyPackage.initKey),
        leafKey: HPKEKeyPair(privateKey: Secret([]), publicKey: keyPackage.leafNode.encryptionKey))
      let secrets = try welcome.groupSecrets(for: bundle)
      let pskSecret = Secret.zeros(suite.hash.byteCount)
      let info = try welcome.groupInfo(joinerSecret: secrets.joinerSecret, pskSecret: pskSecret, suite: suite)
      #expect(
        suite.verifyWithLabel(
          publicKey: item.signer_pub.bytes, label: "GroupInfoTBS", content: info.toBeSigned, signature: info.signature))
      let schedule = KeySchedule(
        joinerSecret: secrets.joinerSecret, pskSecret: pskSecret, groupContext: info.groupContext.encoded, suite: suite)
      #expect(
        schedule.secrets.confirmationTag(info.groupContext.confirmedTranscriptHash, suite) == info.confirmationTag)
    }
  }
}
