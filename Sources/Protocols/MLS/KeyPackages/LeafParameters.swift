/// What a member decides about its own leaf; keys and signature are added to it.
public struct LeafParameters: Sendable, Hashable {
  /// Who the member is.
  public var credential: Credential
  /// What it supports beyond the defaults.
  public var capabilities: Capabilities
  /// Of the leaf; their types must stand in the capabilities.
  public var extensions: [Extension]

  /// What a member decides.
  public init(credential: Credential, capabilities: Capabilities, extensions: [Extension] = []) {
    self.credential = credential
    self.capabilities = capabilities
    self.extensions = extensions
  }

  /// The parameters that a leaf was made with.
  public init(_ leaf: LeafNode) {
    self.init(credential: leaf.credential, capabilities: leaf.capabilities, extensions: leaf.extensions)
  }
}
