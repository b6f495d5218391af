/// What MLS calls the Authentication Service (RFC 9420 §5.3.1): the caller's judgement of credentials.
///
/// Called while a message is validated, before any state changes; it must answer the same for every member of a group,
/// or the group falls apart.
public protocol CredentialValidator: Sendable {
  /// Whether `signatureKey` belongs to the identity that `credential` presents: of a leaf, or of an entry in the group
  /// context's `external_senders` extension.
  func validate(_ credential: Credential, signatureKey: [UInt8]) -> Bool

  /// Whether a leaf with the credential `new` may take the place of the same member's leaf with `old`
  /// (an update, a commit's path, or a resync).
  func sameIdentity(old: Credential, new: Credential) -> Bool
}
