import CryptoSuite
import TestSupport
import Testing
import WireFormat

@testable import MLS

struct WelcomeVectorTests {
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
      // The vectors do not hold the leaf's private key.
      let bundle = KeyPackageBundle(
        matching: keyPackage, cipherSuite: suite,
        initKey: HPKEKeyPair(privateKey: Secret(item.init_priv.bytes), publicKey: keyPackage.initKey),
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
