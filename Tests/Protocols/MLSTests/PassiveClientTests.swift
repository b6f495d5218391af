import CryptoSuite
import Foundation
import MLS
import TestSupport
import Testing

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

/// The published lives of members who only listen. All of this is what any program can do: the public interface alone, with the
/// keys as they are published.
struct PassiveClientTests {
  @Test(arguments: ["passive-client-welcome", "passive-client-handling-commit", "passive-client-random"])
  func `a newcomer follows a group of another implementation`(name: String) throws {
    try runVectors("mls/\(name).json", as: PassiveCase.self) { item, suite in try item.follow(suite) }
  }

  /// As `interop/passive` of mls-implementations has them, and `mls-rs/test_data` of mls-rs; `scripts/vectors` says how to get
  /// them.
  @Test func `a newcomer follows the groups of further published vectors`() throws {
    guard let files = Vectors.more() else { return }
    for file in files {
      guard let data = try? Data(contentsOf: file), let first = try? JSONDecoder().decode([Kind].self, from: data).first,
        first.initial_epoch_authenticator != nil
      else {
        print("vectors: \(file.path): passed over, it holds no cases of passive clients")
        continue
      }
      try runVectors(try JSONDecoder().decode([PassiveCase].self, from: data), of: file.path) { item, suite in
        try item.follow(suite)
      }
    }
  }

  private struct Kind: Decodable { var initial_epoch_authenticator: HexBytes? }
}

/// One member's life, from the Welcome on.
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

  /// Joins and follows every epoch, and goes on from its archive after each.
  func follow(_ suite: CipherSuite) throws {
    let keyPackage = try KeyPackage(message: key_package.bytes)
    let bundle = try KeyPackageBundle(
      cipherSuite: suite, keyPackage: keyPackage, initKey: suite.hpke.keyPair(privateKey: Secret(init_priv.bytes)),
      leafKey: suite.hpke.keyPair(privateKey: Secret(encryption_priv.bytes)))
    let signer = try SigningKey(suite.signature, privateKey: Secret(signature_priv.bytes))
    #expect(signer.publicKey == keyPackage.leafNode.signatureKey)
    let psks = ExternalKeys(
      keys: Dictionary(external_psks.map { ($0.psk_id.bytes, Secret($0.psk.bytes)) }) { first, _ in first })
    var group = try Group.join(
      welcome: welcome.bytes, keyPackage: bundle, ratchetTree: ratchet_tree?.bytes, psks: psks,
      validator: AnyCredential()
    ).group
    #expect(group.epochAuthenticator == initial_epoch_authenticator.bytes)
    for epoch in epochs {
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
