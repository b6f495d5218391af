import CryptoSuite
import MLS
import SottoProtocol
import WireFormat

/// What Sotto puts into a leaf: a `sotto_identity` credential, `sotto_delivery` and `sotto_name` (docs/protocol.md §5, §6).
enum SottoLeaf {
  static let credentialType = CredentialType(rawValue: 0xF0A2)
  static let deliveryType = ExtensionType(rawValue: DeliveryCapability.extensionType)
  static let contextType = ExtensionType(rawValue: ConversationContext.extensionType)
  static let keysType = ExtensionType(rawValue: ConversationKeys.extensionType)
  static let nameType = ExtensionType(rawValue: MemberName.extensionType)
  static let suite = CipherSuite.sottoXWing

  static let capabilities = Capabilities(
    cipherSuites: [suite.rawValue], extensions: [deliveryType, contextType, nameType], credentials: [credentialType])

  /// In every conversation: what a client must understand, signed by MLS.
  static let required = RequiredCapabilities(
    extensionTypes: [deliveryType, contextType, nameType], credentialTypes: [credentialType]
  ).asExtension

  static func parameters(log: DeviceLog, delivery: DeliveryCapability, name: MemberName) -> LeafParameters {
    LeafParameters(
      credential: .other(type: credentialType, content: log.encoded), capabilities: capabilities,
      extensions: [Extension(type: deliveryType, data: delivery.encoded), Extension(type: nameType, data: name.encoded)])
  }
}

/// One device in a conversation, read from a leaf that MLS and `SottoCredentials` have accepted.
struct RosterDevice: Hashable, Sendable {
  var leaf: LeafIndex
  var identity: IdentityID
  /// The leaf's signature key.
  var device: PublicKey32
  var delivery: DeliveryCapability
  var name: MemberName

  /// nil for a leaf that is no Sotto leaf.
  init?(_ member: Member) {
    guard case .other(let type, let content) = member.leafNode.credential, type == SottoLeaf.credentialType,
      let identity = DeviceLog.identity(ofVerified: content), let device = PublicKey32(member.leafNode.signatureKey),
      let deliveryData = member.leafNode.extensions.data(of: SottoLeaf.deliveryType),
      let delivery = try? DeliveryCapability(decoding: deliveryData),
      let nameData = member.leafNode.extensions.data(of: SottoLeaf.nameType), let name = try? MemberName(decoding: nameData)
    else { return nil }
    leaf = member.leafIndex
    self.identity = identity
    self.device = device
    self.delivery = delivery
    self.name = name
  }
}

/// Judges `sotto_identity` credentials: the chain must verify, and the leaf's key be an active device of it.
///
/// Only what stands in the leaves counts, so every member judges alike.
struct SottoCredentials: CredentialValidator {
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool {
    guard let log = log(of: credential), let key = PublicKey32(signatureKey) else { return false }
    return log.activeDevices.contains(key)
  }

  func sameIdentity(old: Credential, new: Credential) -> Bool {
    if old == new { return true }
    guard let old = log(of: old), let new = log(of: new) else { return false }
    return new.extends(old)
  }

  func log(of credential: Credential) -> DeviceLog? {
    guard case .other(let type, let content) = credential, type == SottoLeaf.credentialType else { return nil }
    return try? DeviceLog(verifying: content)
  }
}

/// The pre-shared key of one invitation.
struct InvitationPSK: PSKProvider {
  var id: [UInt8]
  var psk: Secret

  func secret(for id: PreSharedKeyID) -> Secret? {
    guard case .external(let name) = id.key, name == self.id else { return nil }
    return psk
  }
}

/// For conversations under way, which use no pre-shared keys.
struct NoPSK: PSKProvider {
  func secret(for id: PreSharedKeyID) -> Secret? { nil }
}
