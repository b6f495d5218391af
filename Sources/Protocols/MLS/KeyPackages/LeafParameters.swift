import WireFormat

/// What a member decides about its own leaf (RFC 9420 §7.2); keys and signature are added to it.
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

extension LeafParameters {
  /// The extensions with the list of components that this library knows, which whoever supports the dictionary must
  /// advertise (draft-ietf-mls-extensions, "Attaching Application Data to MLS Messages").
  var advertisedExtensions: [Extension] {
    get throws(MLSError) {
      guard capabilities.supports(.appDataDictionary) else { return extensions }
      let components = try extensions.componentLists().known
      let own: [ComponentID] = [.appComponents, .safeAAD, .lastResortKeyPackage]
      let missing = own.filter { !components.contains($0) }
      guard !missing.isEmpty else { return extensions }
      return try extensions.settingAppData(.appComponents, to: ComponentsList(components + missing).encoded)
    }
  }
}
